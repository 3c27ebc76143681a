import * as arrange from './arrangement.ts';
import { conv } from './convolution.ts';
import { drawsMask, dropout } from './dropout.ts';
import * as each from './elementwise.ts';
import { gemm, matMul } from './linear.ts';
import { averagePool, endsOpen, globalAveragePool, maxPool } from './pooling.ts';
import { reduceMean, reduceSum } from './reduction.ts';
import type { Entry, Rule, Unless } from './rule.ts';
import { logSoftmax, softmax } from './softmax.ts';

/** First and last opset of models that this version reads. */
export const OPSETS = [9, 24] as const;

/** Differentiable from this opset on. */
const from = (opset: number, rule: Rule, unless?: Unless): Entry => ({
  opset: [opset, OPSETS[1]],
  rule,
  ...(unless && { unless }),
});
const none = (opset: number, why: string): Entry => ({ opset: [opset, OPSETS[1]], none: why });
const forbidden = (opset: number, why: string): Entry => ({
  opset: [opset, OPSETS[1]],
  forbidden: why,
});

const STEPWISE = 'its derivative is zero wherever it has one';
const TRUTH = 'its output is a truth value';
const INDEX = 'its output is an index';
const SHAPE = 'its output depends on shapes only';

/** Every operator that may stand between a parameter and the loss. One line per operator. */
export const GRADIENTS: Readonly<Record<string, Entry>> = {
  Abs: from(9, each.abs),
  Add: from(9, each.add),
  And: none(9, TRUTH),
  ArgMax: none(9, INDEX),
  ArgMin: none(9, INDEX),
  AveragePool: from(9, averagePool, endsOpen),
  BatchNormalization: forbidden(9, 'batch statistics in training are not computed yet'),
  Cast: from(9, each.cast),
  Ceil: none(9, STEPWISE),
  Clip: from(9, each.clip),
  Concat: from(9, arrange.concat),
  Constant: none(9, 'it has no inputs'),
  ConstantOfShape: none(9, SHAPE),
  Conv: from(9, conv),
  Cos: from(9, each.cos),
  Div: from(9, each.div),
  Dropout: from(9, dropout, drawsMask),
  Elu: from(9, each.elu),
  Equal: none(9, TRUTH),
  Erf: from(9, each.erf),
  Exp: from(9, each.exp),
  Expand: from(9, arrange.expand),
  Flatten: from(9, arrange.rearranged),
  Floor: none(9, STEPWISE),
  Gemm: from(9, gemm),
  GlobalAveragePool: from(9, globalAveragePool),
  Greater: none(9, TRUTH),
  GreaterOrEqual: none(12, TRUTH),
  Identity: from(9, each.identity),
  LeakyRelu: from(9, each.leakyRelu),
  Less: none(9, TRUTH),
  LessOrEqual: none(12, TRUTH),
  Log: from(9, each.log),
  LogSoftmax: from(9, logSoftmax),
  MatMul: from(9, matMul),
  MaxPool: from(9, maxPool, endsOpen),
  Mul: from(9, each.mul),
  Neg: from(9, each.neg),
  Not: none(9, TRUTH),
  Or: none(9, TRUTH),
  Pad: from(9, arrange.pad, arrange.padsOtherwise),
  Pow: from(9, each.pow),
  Reciprocal: from(9, each.reciprocal),
  ReduceMean: from(9, reduceMean),
  ReduceSum: from(9, reduceSum),
  Relu: from(9, each.relu),
  Reshape: from(9, arrange.rearranged),
  Round: none(11, STEPWISE),
  Shape: none(9, SHAPE),
  Sigmoid: from(9, each.sigmoid),
  Sign: none(9, STEPWISE),
  Sin: from(9, each.sin),
  Size: none(9, SHAPE),
  Slice: from(9, arrange.slice, arrange.slicesOtherwise),
  Softmax: from(9, softmax),
  Softplus: from(9, each.softplus),
  Sqrt: from(9, each.sqrt),
  Squeeze: from(9, arrange.rearranged),
  Sub: from(9, each.sub),
  Sum: from(9, each.sum),
  Tanh: from(9, each.tanh),
  Transpose: from(9, arrange.transpose),
  Unsqueeze: from(9, arrange.rearranged),
  Where: from(9, each.where),
};
