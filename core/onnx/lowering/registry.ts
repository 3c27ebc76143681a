import { backwardSlice } from './backward-slice.ts';
import { batchNormalization } from './batch-normalization.ts';
import { convFewCells, convTransposeFewCells } from './conv-few-cells.ts';
import { convTransposeOnGpu } from './conv-transpose-on-gpu.ts';
import { convWeightGradient } from './conv-weight-gradient.ts';
import { firstMaximum, firstMaximumByNumber } from './first-maximum.ts';
import { layerNormalization } from './layer-normalization.ts';
import { maxPoolMask } from './max-pool-mask.ts';
import { maxPoolTiles } from './max-pool-tiles.ts';
import * as parts from './in-parts.ts';
import { differenceInProduct, sumInProduct } from './product-sum.ts';
import { clip, relu } from './relu.ts';
import { reluByChoice, reluBySign } from './relu-gradient.ts';
import { rowsByCounting, rowsByShape } from './rows.ts';
import type { Lowering, Rewrite, Target } from './rule.ts';

/** The same for each target. */
const everywhere = <T>(form: T): Readonly<Record<Target, T>> => ({
  wasm: form,
  webgpu: form,
  native: form,
});

/** The same for the targets whose kernels are the CPU's. */
const onCpu = <T>(form: T): Readonly<Record<'wasm' | 'native', T>> => ({
  wasm: form,
  native: form,
});

/** For WebGPU alone. */
const onGpu = (form: Rewrite): { readonly webgpu: Rewrite } => ({ webgpu: form });

/** How each abstract operator is written for each target. */
export const LOWERINGS: Readonly<Record<string, Readonly<Record<Target, Lowering>>>> = {
  BatchNormalization: everywhere(batchNormalization),
  ConvWeightGrad: everywhere(convWeightGradient),
  FirstMaximum: { ...onCpu(firstMaximum), webgpu: firstMaximumByNumber },
  MaxPoolGrad: { ...onCpu(maxPoolTiles), webgpu: maxPoolMask },
  Rows: { ...onCpu(rowsByShape), webgpu: rowsByCounting },
  ReluGrad: { ...onCpu(reluBySign), webgpu: reluByChoice },
};

/** The operators of ONNX that a target runs faster, or runs at all, or right, in another form, if that form fits the node. */
export const REWRITES: Readonly<Record<string, Partial<Readonly<Record<Target, Rewrite>>>>> = {
  Add: everywhere(sumInProduct),
  Celu: onGpu(parts.celu),
  Clip: { wasm: clip },
  Conv: onCpu(convFewCells),
  ConvTranspose: { ...onCpu(convTransposeFewCells), webgpu: convTransposeOnGpu },
  GlobalLpPool: onGpu(parts.globalLpPool),
  GroupNormalization: onGpu(parts.groupNormalization),
  LRN: onGpu(parts.lrn),
  LayerNormalization: { wasm: layerNormalization },
  LogSoftmax: onGpu(parts.logSoftmax),
  LpPool: onGpu(parts.lpPool),
  Mean: onGpu(parts.mean),
  MeanVarianceNormalization: onGpu(parts.meanVarianceNormalization),
  Pow: onGpu(parts.pow),
  ReduceL1: onGpu(parts.reduceL1),
  Relu: { wasm: relu },
  Selu: onGpu(parts.selu),
  Shrink: onGpu(parts.shrink),
  Sign: onGpu(parts.signInParts),
  Slice: onGpu(backwardSlice),
  Softsign: onGpu(parts.softsign),
  Sub: everywhere(differenceInProduct),
  Sum: onGpu(parts.sum),
};
