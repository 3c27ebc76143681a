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
export const OPSETS = [13, 24] as const;

const from13 = (rule: Rule, unless?: Unless): Entry => ({
  opset: OPSETS,
  rule,
  ...(unless && { unless }),
});
const stepwise: Entry = { none: 'its derivative is zero wherever it has one' };
const truth: Entry = { none: 'its output is a truth value' };
const index: Entry = { none: 'its output is an index' };
const shape: Entry = { none: 'its output depends on shapes only' };

/** Every operator that may stand between a parameter and the loss. One line per operator. */
export const GRADIENTS: Readonly<Record<string, Entry>> = {
  Abs: from13(each.abs),
  Add: from13(each.add),
  And: truth,
  ArgMax: index,
  ArgMin: index,
  AveragePool: from13(averagePool, endsOpen),
  BatchNormalization: { forbidden: 'batch statistics in training are not computed yet' },
  Cast: from13(each.cast),
  Ceil: stepwise,
  Clip: from13(each.clip),
  Concat: from13(arrange.concat),
  Constant: { none: 'it has no inputs' },
  ConstantOfShape: shape,
  Conv: from13(conv),
  Cos: from13(each.cos),
  Div: from13(each.div),
  Dropout: from13(dropout, drawsMask),
  Elu: from13(each.elu),
  Equal: truth,
  Erf: from13(each.erf),
  Exp: from13(each.exp),
  Expand: from13(arrange.expand),
  Flatten: from13(arrange.rearranged),
  Floor: stepwise,
  Gemm: from13(gemm),
  GlobalAveragePool: from13(globalAveragePool),
  Greater: truth,
  GreaterOrEqual: truth,
  Identity: from13(each.identity),
  LeakyRelu: from13(each.leakyRelu),
  Less: truth,
  LessOrEqual: truth,
  Log: from13(each.log),
  LogSoftmax: from13(logSoftmax),
  MatMul: from13(matMul),
  MaxPool: from13(maxPool, endsOpen),
  Mul: from13(each.mul),
  Neg: from13(each.neg),
  Not: truth,
  Or: truth,
  Pad: from13(arrange.pad, arrange.padsOtherwise),
  Pow: from13(each.pow),
  Reciprocal: from13(each.reciprocal),
  ReduceMean: from13(reduceMean),
  ReduceSum: from13(reduceSum),
  Relu: from13(each.relu),
  Reshape: from13(arrange.rearranged),
  Round: stepwise,
  Shape: shape,
  Sigmoid: from13(each.sigmoid),
  Sign: stepwise,
  Sin: from13(each.sin),
  Size: shape,
  Slice: from13(arrange.slice, arrange.slicesOtherwise),
  Softmax: from13(softmax),
  Softplus: from13(each.softplus),
  Sqrt: from13(each.sqrt),
  Squeeze: from13(arrange.rearranged),
  Sub: from13(each.sub),
  Sum: from13(each.sum),
  Tanh: from13(each.tanh),
  Transpose: from13(arrange.transpose),
  Unsqueeze: from13(arrange.rearranged),
  Where: from13(each.where),
};
