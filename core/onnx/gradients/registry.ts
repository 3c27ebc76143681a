import * as columns from './columns.ts';
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
/** No longer an operator: models of later opsets don't have it, and it is read as the one that took its place. */
const until = (last: number, entry: Entry): Entry => ({ ...entry, opset: [entry.opset[0], last] });
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
const RANDOM = 'its output is drawn at random';
const TEXT = 'its input is not a number';
const CONTROL =
  'control flow is not differentiated; export the model with it unrolled or folded away';
const SEQUENCE = 'lists of tensors are not differentiated; export with tensors of fixed rank';
const QUANTIZED = 'rounding stops the gradient; export the float model';
const SAMPLED = 'it samples an image at computed places, which has no gradient here';

/** Every operator that may stand between a parameter and the loss. One line per operator. */
export const GRADIENTS: Readonly<Record<string, Entry>> = {
  Abs: from(9, each.abs),
  Acos: from(9, trig.acos),
  Acosh: from(9, trig.acosh),
  Add: from(9, each.add),
  AffineGrid: forbidden(20, SAMPLED),
  And: none(9, TRUTH),
  ArgMax: none(9, INDEX),
  ArgMin: none(9, INDEX),
  Asin: from(9, trig.asin),
  Asinh: from(9, trig.asinh),
  Atan: from(9, trig.atan),
  Atanh: from(9, trig.atanh),
  Attention: parts(23, attention, countsItsKeys),
  AveragePool: from(9, pool.averagePool, pool.endsOpen),
  BatchNormalization: from(9, norm.batchNormalization, norm.trains),
  Bernoulli: none(15, RANDOM),
  BitShift: none(11, INTEGER),
  BitwiseAnd: none(18, INTEGER),
  BitwiseNot: none(18, INTEGER),
  BitwiseOr: none(18, INTEGER),
  BitwiseXor: none(18, INTEGER),
  BlackmanWindow: none(17, SHAPE),
  Cast: from(9, each.cast),
  CastLike: from(15, each.cast),
  Ceil: none(9, STEPWISE),
  Celu: from(12, activation.celu),
  CenterCropPad: parts(18, centerCropPad),
  Clip: from(9, each.clip),
  Col2Im: from(18, columns.col2Im),
  Compress: from(9, pick.compress),
  Concat: from(9, cut.concat),
  ConcatFromSequence: forbidden(11, SEQUENCE),
  Constant: none(9, 'it has no inputs'),
  ConstantOfShape: none(9, SHAPE),
  Conv: from(9, conv),
  ConvInteger: none(10, INTEGER),
  ConvTranspose: from(9, convTranspose),
  Cos: from(9, trig.cos),
  Cosh: from(9, trig.cosh),
  CumSum: from(11, arrange.cumSum),
  DFT: forbidden(17, 'a spectrum is computed from the input, before what is trained'),
  DeformConv: forbidden(19, SAMPLED),
  DepthToSpace: from(9, arrange.depthToSpace),
  DequantizeLinear: forbidden(10, QUANTIZED),
  Det: forbidden(11, 'its gradient needs the inverse of a matrix, which no operator computes'),
  Div: from(9, each.div),
  Dropout: from(9, dropout, drawsMask),
  DynamicQuantizeLinear: forbidden(11, QUANTIZED),
  Einsum: from(12, einsum),
  Elu: from(9, activation.elu),
  Equal: none(9, TRUTH),
  Erf: from(9, each.erf),
  Exp: from(9, each.exp),
  Expand: from(9, arrange.expand),
  EyeLike: none(9, SHAPE),
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
  GridSample: forbidden(16, SAMPLED),
  GroupNormalization: from(18, norm.groupNormalization),
  HammingWindow: none(17, SHAPE),
  HannWindow: none(17, SHAPE),
  HardSigmoid: from(9, activation.hardSigmoid),
  HardSwish: from(14, activation.hardSwish),
  Hardmax: none(9, STEPWISE),
  Identity: from(9, each.identity),
  If: forbidden(9, CONTROL),
  ImageDecoder: none(20, TEXT),
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
  Loop: forbidden(9, CONTROL),
  LpNormalization: from(9, length.lpNormalization),
  LpPool: from(9, pool.lpPool, pool.reachesFar),
  MatMul: from(9, matMul),
  MatMulInteger: none(10, INTEGER),
  Max: from(9, each.extremum),
  MaxPool: from(9, pool.maxPool, pool.endsOpen),
  MaxRoiPool: forbidden(9, SAMPLED),
  MaxUnpool: from(9, columns.maxUnpool),
  Mean: from(9, each.mean),
  MeanVarianceNormalization: from(9, length.meanVarianceNormalization),
  MelWeightMatrix: none(17, SHAPE),
  Min: from(9, each.extremum),
  Mish: from(18, activation.mish),
  Mod: from(10, each.mod),
  Mul: from(9, each.mul),
  Multinomial: none(9, RANDOM),
  Neg: from(9, each.neg),
  NegativeLogLikelihoodLoss: forbidden(
    12,
    'a loss is given as an option; cut the model off before it',
  ),
  NonMaxSuppression: none(10, INDEX),
  NonZero: none(9, INDEX),
  Not: none(9, TRUTH),
  OneHot: none(9, INDEX),
  Optional: forbidden(15, SEQUENCE),
  OptionalGetElement: forbidden(15, SEQUENCE),
  OptionalHasElement: none(15, TRUTH),
  Or: none(9, TRUTH),
  PRelu: from(9, activation.pRelu),
  Pad: from(9, cut.pad, cut.padsUnknown),
  Pow: from(9, pow),
  QLinearConv: forbidden(10, QUANTIZED),
  QLinearMatMul: forbidden(10, QUANTIZED),
  QuantizeLinear: forbidden(10, QUANTIZED),
  RMSNormalization: from(23, norm.rmsNormalization),
  RNN: parts(9, rnnParts, recurrentOtherwise),
  RandomNormal: none(9, RANDOM),
  RandomNormalLike: none(9, RANDOM),
  RandomUniform: none(9, RANDOM),
  RandomUniformLike: none(9, RANDOM),
  Range: none(11, SHAPE),
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
  RegexFullMatch: none(20, TEXT),
  Relu: from(9, activation.relu),
  Reshape: from(9, arrange.rearranged),
  Resize: from(9, resize, cropsToo),
  ReverseSequence: from(10, arrange.reverseSequence),
  RoiAlign: forbidden(10, SAMPLED),
  RotaryEmbedding: parts(23, rotaryEmbedding),
  Round: none(11, STEPWISE),
  STFT: forbidden(17, 'a spectrum is computed from the input, before what is trained'),
  Scan: forbidden(9, CONTROL),
  Scatter: until(10, from(9, scatterElements)),
  ScatterElements: from(9, scatterElements),
  ScatterND: parts(11, pick.scatterNDParts),
  Selu: from(9, activation.selu),
  SequenceAt: forbidden(11, SEQUENCE),
  SequenceConstruct: forbidden(11, SEQUENCE),
  SequenceEmpty: forbidden(11, SEQUENCE),
  SequenceErase: forbidden(11, SEQUENCE),
  SequenceInsert: forbidden(11, SEQUENCE),
  SequenceLength: none(11, SHAPE),
  SequenceMap: forbidden(17, SEQUENCE),
  Shape: none(9, SHAPE),
  Shrink: from(9, activation.shrink),
  Sigmoid: from(9, activation.sigmoid),
  Sign: none(9, STEPWISE),
  Sin: from(9, trig.sin),
  Sinh: from(9, trig.sinh),
  Size: none(9, SHAPE),
  Slice: from(9, cut.slice),
  Softmax: from(9, softmax),
  SoftmaxCrossEntropyLoss: forbidden(
    12,
    'a loss is given as an option; cut the model off before it',
  ),
  Softplus: from(9, activation.softplus),
  Softsign: from(9, activation.softsign),
  SpaceToDepth: from(9, arrange.spaceToDepth),
  Split: from(9, cut.split),
  SplitToSequence: forbidden(11, SEQUENCE),
  Sqrt: from(9, each.sqrt),
  Squeeze: from(9, arrange.rearranged),
  StringConcat: none(20, TEXT),
  StringNormalizer: none(10, TEXT),
  StringSplit: none(20, TEXT),
  Sub: from(9, each.sub),
  Sum: from(9, each.sum),
  Swish: from(24, activation.swish),
  Tan: from(9, trig.tan),
  Tanh: from(9, activation.tanh),
  TensorScatter: forbidden(24, 'it updates a cache, which is for inference'),
  TfIdfVectorizer: none(9, TEXT),
  ThresholdedRelu: from(10, activation.thresholdedRelu),
  Tile: from(9, arrange.tile),
  TopK: from(9, pick.topK),
  Transpose: from(9, arrange.transpose),
  Trilu: from(14, arrange.trilu),
  Unique: forbidden(11, 'how many elements come out depends on their values'),
  Unsqueeze: from(9, arrange.rearranged),
  Upsample: until(9, from(9, resize, cropsToo)),
  Where: from(9, each.where),
  Xor: none(9, TRUTH),
};
