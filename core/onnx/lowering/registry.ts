import { convWeightGradient } from './conv-weight-gradient.ts';
import { maxPoolMask } from './max-pool-mask.ts';
import { maxPoolScatter } from './max-pool-scatter.ts';
import type { Lowering, Target } from './rule.ts';

/** How each abstract operator is written for each target. */
export const LOWERINGS: Readonly<Record<string, Readonly<Record<Target, Lowering>>>> = {
  ConvWeightGrad: {
    wasm: convWeightGradient,
    webgpu: convWeightGradient,
    native: convWeightGradient,
  },
  MaxPoolGrad: { wasm: maxPoolScatter, webgpu: maxPoolMask, native: maxPoolScatter },
};
