/** For each differentiable operator: graphs of one node, with random shapes, attributes and values. */
import * as fc from 'fast-check';
import { sizeOf } from '../../tensors/tensor.ts';
import { float } from '../attribute.ts';
import type { Attributes } from '../attribute.ts';
import { f32 } from '../runtime.suite.ts';
import {
  broadcastable,
  dim,
  filled,
  int64,
  nary,
  onAxis,
  seed,
  shapes,
  unary,
} from './cases/case.suite.ts';
import type { Case } from './cases/case.suite.ts';
import { ARRANGEMENT } from './cases/arrangement.suite.ts';
import { apart, pRelu, perhaps, pow, since } from './cases/elementwise.suite.ts';
import { gemm, matMul } from './cases/linear.suite.ts';
import { REDUCTION } from './cases/reduction.suite.ts';
import { conv, pool } from './cases/window.suite.ts';

/** One line per operator, as in the registry. */
export const CASES: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  ...ARRANGEMENT,
  ...REDUCTION,
  Abs: unary('apart'),
  Acos: unary('small'),
  Acosh: unary('large'),
  Add: nary('any', 'any'),
  Asin: unary('small'),
  Asinh: unary(),
  Atan: unary(),
  Atanh: unary('small'),
  AveragePool: pool(
    'any',
    fc.constantFrom<Attributes>({}, { count_include_pad: 1 }, { ceil_mode: 1 }),
    false,
  ),
  Cast: unary('any', { to: 11 }),
  CastLike: unary().map((c) => ({ ...c, wiring: [0, f32([], [1])] })),
  Celu: perhaps(unary('apart'), { alpha: float(0.75) }),
  Clip: unary('apart').map((c) => ({ ...c, wiring: [0, f32([], [-0.5]), f32([], [0.75])] })),
  Conv: conv,
  Cos: unary(),
  Cosh: unary(),
  Div: nary('any', 'positive'),
  Dropout: unary().map((c) => ({ ...c, outputs: 2 })),
  Elu: perhaps(unary('apart'), { alpha: float(0.75) }),
  Erf: unary(),
  Exp: unary(),
  Gelu: since(20, perhaps(unary(), { approximate: 'tanh' })),
  Gemm: gemm,
  GlobalAveragePool: fc
    .tuple(shapes(3, 4), seed)
    .map(([shape, s]) => ({ inputs: [filled(shape, s, 'any')] })),
  HardSigmoid: perhaps(unary('apart'), { alpha: float(0.5), beta: float(0.25) }),
  HardSwish: unary('apart'),
  Identity: unary(),
  LeakyRelu: perhaps(unary('apart'), { alpha: float(0.2) }),
  Log: unary('positive'),
  LogSoftmax: onAxis('any'),
  MatMul: matMul,
  Max: fc.oneof(apart(1), apart(2), apart(3)),
  MaxPool: pool('apart', fc.constantFrom<Attributes>({}, { ceil_mode: 1 }), true),
  Mean: nary('any', 'any', 'any'),
  Min: fc.oneof(apart(2), apart(3)),
  Mish: since(18, unary()),
  Mod: unary('apart').map((c) => ({ ...c, wiring: [0, f32([], [0.5])], attributes: { fmod: 1 } })),
  Mul: nary('any', 'any'),
  Neg: unary(),
  PRelu: pRelu,
  Pow: pow,
  Reciprocal: unary('positive'),
  Relu: unary('apart'),
  Selu: perhaps(unary('apart'), { alpha: float(1.25), gamma: float(1.5) }),
  Shrink: perhaps(unary('apart'), { lambd: float(0.75), bias: float(0.25) }),
  Sigmoid: unary(),
  Sin: unary(),
  Sinh: unary(),
  Softmax: onAxis('any'),
  Softplus: unary(),
  Softsign: unary('apart'),
  Sqrt: unary('positive'),
  Sub: nary('any', 'any'),
  Sum: nary('any', 'any', 'any'),
  Swish: since(24, perhaps(unary(), { alpha: float(1.5) })),
  Tan: unary('small'),
  Tanh: unary(),
  ThresholdedRelu: perhaps(unary('apart'), { alpha: float(0.5) }),
};
