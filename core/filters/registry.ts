import { clip } from './clip.ts';
import { convertWeights } from './convert-weights.ts';
import type { DefinedFilter } from './define.ts';
import { dxoBlocker } from './dxo-blocker.ts';
import { excludeVars } from './exclude-vars.ts';
import { gaussian } from './gaussian.ts';
import { modelDequantizer } from './model-dequantizer.ts';
import { modelQuantizer } from './model-quantizer.ts';
import { percentilePrivacy } from './percentile-privacy.ts';
import { statisticsPrivacy } from './statistics-privacy.ts';
import { svtPrivacy } from './svt-privacy.ts';

/** Every filter that a job may name: one line each. */
const FILTERS: readonly DefinedFilter[] = [
  clip,
  convertWeights,
  dxoBlocker,
  excludeVars,
  gaussian,
  modelDequantizer,
  modelQuantizer,
  percentilePrivacy,
  statisticsPrivacy,
  svtPrivacy,
];

const byName: ReadonlyMap<string, DefinedFilter> = new Map(FILTERS.map((f) => [f.name, f]));

/** The filter of that name, if there is one. */
export const findFilter = (name: string): DefinedFilter | undefined => byName.get(name);

export const filterNames: readonly string[] = [...byName.keys()];
