import { rotaryEmbedding } from '../parts/rotary.ts';
import { centerCropPad } from '../parts/center-crop-pad.ts';
import { attention, countsItsKeys } from '../parts/attention.ts';
import { gruParts, lstmParts, rnnParts } from '../parts/cells.ts';
import { recurrentOtherwise } from '../parts/recurrence.ts';
import * as activation from './activation.ts';
import * as arrange from './arrangement.ts';
import { conv, convTranspose } from './convolution.ts';
import * as cut from './cutting.ts';
import { drawsMask, dropout } from './dropout.ts';
import { einsum } from './einsum.ts';
import * as each from './elementwise.ts';
import * as pick from './gathering.ts';
import * as length from './length.ts';
import { gemm, matMul } from './linear.ts';
import * as norm from './normalization.ts';
import * as pool from './pooling.ts';
import { pow } from './power.ts';
import * as reduce from './reduction.ts';
import { cropsToo, resize } from './resize.ts';
import { scatterElements } from './scattering.ts';
import type { Entry, Parts, Rule, Unless } from './rule.ts';
import { logSoftmax, softmax } from './softmax.ts';
import * as trig from './trigonometry.ts';

/** First and last opset of models that this version reads. */
export const OPSETS = [9, 24] as const;

/** Differentiable from this opset on. */
const from = (opset: number, rule: Rule, unless?: Unless): Entry => ({
  opset: [opset, OPSETS[1]],
  rule,
  ...(unless && { unless }),
});
/** Differentiable by way of its parts. */
const parts = (opset: number, made: Parts, unless?: Unless): Entry => ({
  opset: [opset, OPSETS[1]],
  parts: made,
  ...(unless && { unless }),
});
const none = (opset: number, why: string): Entry => ({ opset: [opset, OPSETS[1]], none: why });
const forbidden = (opset: number, why: string): Entry => ({
  opset: [opset, OPSETS[1]],
  forbidden: why,
});

const STEPWISE = 'its derivative is zero wherever it has one';
const INTEGER = 'its inputs are integers';
const TRUTH = 'its output is a truth value';
const INDEX = 'its output is an index';
const SHAPE = 'its output depends on shapes only';

/** Every operator that may stand between a parameter and the loss. One line per operator. */
export const GRADIENTS: Readonly<Record<string, Entry>> = {
  Abs: from(9, each.abs),
  Acos: from(9, trig.acos),
  Acosh: from(9, trig.acosh),
  Add: from(9, each.add),
  And: none(9, TRUTH),
  ArgMax: none(9, INDEX),
  ArgMin: none(9, INDEX),
  Asin: from(9, trig.asin),
  Asinh: from(9, trig.asinh),
  Atan: from(9, trig.atan),
  Atanh: from(9, trig.atanh),
  Attention: parts(23, attention, countsItsKeys),
  AveragePool: from(9, pool.averagePool),
  BatchNormalization: from(9, norm.batchNormalization, norm.trains),
  BitShift: none(11, INTEGER),
  BitwiseAnd: none(18, INTEGER),
  BitwiseNot: none(18, INTEGER),
  BitwiseOr: none(18, INTEGER),
  BitwiseXor: none(18, INTEGER),
  Cast: from(9, each.cast),
  CastLike: from(15, each.cast),
  Ceil: none(9, STEPWISE),
  Celu: from(12, activation.celu),
  CenterCropPad: parts(18, centerCropPad),
  Clip: from(9, each.clip),
  Compress: from(9, pick.compress),
  Concat: from(9, cut.concat),
  Constant: none(9, 'it has no inputs'),
  ConstantOfShape: none(9, SHAPE),
  Conv: from(9, conv),
  ConvTranspose: from(9, convTranspose),
  Cos: from(9, trig.cos),
  Cosh: from(9, trig.cosh),
  CumSum: from(11, arrange.cumSum),
  DepthToSpace: from(9, arrange.depthToSpace),
  Div: from(9, each.div),
  Dropout: from(9, dropout, drawsMask),
  Einsum: from(12, einsum),
  Elu: from(9, activation.elu),
  Equal: none(9, TRUTH),
  Erf: from(9, each.erf),
  Exp: from(9, each.exp),
  Expand: from(9, arrange.expand),
  Flatten: from(9, arrange.rearranged),
  Floor: none(9, STEPWISE),
  GRU: parts(9, gruParts, recurrentOtherwise),
  Gather: from(9, pick.gather),
  GatherElements: from(11, pick.gatherElements),
  GatherND: from(11, pick.gatherND),
  Gelu: from(20, activation.gelu),
  Gemm: from(9, gemm),
  GlobalAveragePool: from(9, pool.globalAveragePool),
  GlobalLpPool: from(9, pool.globalLpPool),
  GlobalMaxPool: from(9, pool.globalMaxPool),
  Greater: none(9, TRUTH),
  GreaterOrEqual: none(12, TRUTH),
  GroupNormalization: from(18, norm.groupNormalization),
  HardSigmoid: from(9, activation.hardSigmoid),
  HardSwish: from(14, activation.hardSwish),
  Hardmax: none(9, STEPWISE),
  Identity: from(9, each.identity),
  InstanceNormalization: from(9, norm.instanceNormalization),
  IsInf: none(10, TRUTH),
  IsNaN: none(9, TRUTH),
  LRN: from(9, norm.lrn),
  LSTM: parts(9, lstmParts, recurrentOtherwise),
  LayerNormalization: from(17, norm.layerNormalization),
  LeakyRelu: from(9, activation.leakyRelu),
  Less: none(9, TRUTH),
  LessOrEqual: none(12, TRUTH),
  Log: from(9, each.log),
  LogSoftmax: from(9, logSoftmax),
  LpNormalization: from(9, length.lpNormalization),
  LpPool: from(9, pool.lpPool, pool.reachesFar),
  MatMul: from(9, matMul),
  Max: from(9, each.extremum),
  MaxPool: from(9, pool.maxPool),
  Mean: from(9, each.mean),
  MeanVarianceNormalization: from(9, length.meanVarianceNormalization),
  Min: from(9, each.extremum),
  Mish: from(18, activation.mish),
  Mod: from(10, each.mod),
  Mul: from(9, each.mul),
  Neg: from(9, each.neg),
  Not: none(9, TRUTH),
  Or: none(9, TRUTH),
  PRelu: from(9, activation.pRelu),
  Pad: from(9, cut.pad, cut.padsUnknown),
  Pow: from(9, pow),
  RMSNormalization: from(23, norm.rmsNormalization),
  RNN: parts(9, rnnParts, recurrentOtherwise),
  Reciprocal: from(9, each.reciprocal),
  ReduceL1: from(9, reduce.l1, reduce.reducesNothing),
  ReduceL2: from(9, reduce.l2, reduce.reducesNothing),
  ReduceLogSum: from(9, reduce.logSum, reduce.reducesNothing),
  ReduceLogSumExp: from(9, reduce.logSumExp, reduce.reducesNothing),
  ReduceMax: from(9, reduce.extreme, reduce.reducesNothing),
  ReduceMean: from(9, reduce.mean),
  ReduceMin: from(9, reduce.extreme, reduce.reducesNothing),
  ReduceProd: from(9, reduce.prod, reduce.reducesNothing),
  ReduceSum: from(9, reduce.sum),
  ReduceSumSquare: from(9, reduce.sumSquare, reduce.reducesNothing),
  Relu: from(9, activation.relu),
  Reshape: from(9, arrange.rearranged),
  Resize: from(10, resize, cropsToo),
  ReverseSequence: from(10, arrange.reverseSequence),
  RotaryEmbedding: parts(23, rotaryEmbedding),
  Round: none(11, STEPWISE),
  ScatterElements: from(11, scatterElements),
  ScatterND: parts(11, pick.scatterNDParts),
  Selu: from(9, activation.selu),
  Shape: none(9, SHAPE),
  Shrink: from(9, activation.shrink),
  Sigmoid: from(9, activation.sigmoid),
  Sign: none(9, STEPWISE),
  Sin: from(9, trig.sin),
  Sinh: from(9, trig.sinh),
  Size: none(9, SHAPE),
  Slice: from(9, cut.slice),
  Softmax: from(9, softmax),
  Softplus: from(9, activation.softplus),
  Softsign: from(9, activation.softsign),
  SpaceToDepth: from(9, arrange.spaceToDepth),
  Split: from(9, cut.split),
  Sqrt: from(9, each.sqrt),
  Squeeze: from(9, arrange.rearranged),
  Sub: from(9, each.sub),
  Sum: from(9, each.sum),
  Swish: from(24, activation.swish),
  Tan: from(9, trig.tan),
  Tanh: from(9, activation.tanh),
  ThresholdedRelu: from(10, activation.thresholdedRelu),
  Tile: from(9, arrange.tile),
  TopK: from(9, pick.topK),
  Transpose: from(9, arrange.transpose),
  Trilu: from(14, arrange.trilu),
  Unsqueeze: from(9, arrange.rearranged),
  Where: from(9, each.where),
  Xor: none(9, TRUTH),
};
