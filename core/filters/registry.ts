import { clip } from './clip.ts';
import type { DefinedFilter } from './define.ts';
import { excludeVars } from './exclude-vars.ts';

/** Every filter that a job may name: one line each. */
const FILTERS: readonly DefinedFilter[] = [clip, excludeVars];

const byName: ReadonlyMap<string, DefinedFilter> = new Map(FILTERS.map((f) => [f.name, f]));

/** The filter of that name, if there is one. */
export const findFilter = (name: string): DefinedFilter | undefined => byName.get(name);

export const filterNames: readonly string[] = [...byName.keys()];
