import { batchNormalization } from './batch-normalization.ts';
import { convWeightGradient } from './conv-weight-gradient.ts';
import { maxPoolMask } from './max-pool-mask.ts';
import { maxPoolTiles } from './max-pool-tiles.ts';
import { reluByChoice, reluBySign } from './relu-gradient.ts';
import type { Lowering, Target } from './rule.ts';

/** The same for each target. */
const everywhere = (lowering: Lowering): Readonly<Record<Target, Lowering>> => ({
  wasm: lowering,
  webgpu: lowering,
  native: lowering,
});

/** How each abstract operator is written for each target. */
export const LOWERINGS: Readonly<Record<string, Readonly<Record<Target, Lowering>>>> = {
  BatchNormalization: everywhere(batchNormalization),
  ConvWeightGrad: everywhere(convWeightGradient),
  MaxPoolGrad: { wasm: maxPoolTiles, webgpu: maxPoolMask, native: maxPoolTiles },
  ReluGrad: { wasm: reluBySign, webgpu: reluByChoice, native: reluBySign },
};
