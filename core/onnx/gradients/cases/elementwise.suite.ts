/** Cases of operators on each element. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import { sizeOf } from '../../../tensors/tensor.ts';
import { float } from '../../attribute.ts';
import type { Attributes } from '../../attribute.ts';
import { f32 } from '../../runtime.suite.ts';
import { broadcastable, filled, nary, seed, shapes, unary } from './case.suite.ts';
import type { Case } from './case.suite.ts';

/** Inputs of which no two elements are near each other, so that none is nearly the largest of several. */
const apart = (count: number): fc.Arbitrary<Case> =>
  fc.tuple(broadcastable(count), seed).map(([all, s]) => {
    const values = filled([all.reduce((sum, shape) => sum + sizeOf(shape), 0)], s, 'apart').data;
    let taken = 0;
    return {
      inputs: all.map((shape) =>
        f32(shape, Array.from(values.slice(taken, (taken += sizeOf(shape))), Number)),
      ),
    };
  });

/** A slope for each element, for each channel, or one; of the input's rank or a lower one. */
const pRelu: fc.Arbitrary<Case> = fc
  .tuple(shapes(), fc.nat(2), fc.boolean(), seed)
  .map(([shape, drop, one, s]): Case => {
    const slope = one ? shape.map(() => 1) : shape;
    return {
      inputs: [
        filled(shape, s, 'apart'),
        filled(slope.slice(Math.min(drop, shape.length - 1)), s + 1, 'any'),
      ],
    };
  });

/** Exponents that are known before the graph runs, and ones that aren't. */
const pow: fc.Arbitrary<Case> = fc.oneof(
  nary('positive', 'any'),
  fc.tuple(unary('positive'), fc.constantFrom(0, 0.5, 1, 2, 3, -1.5)).map(([c, p]) => ({
    ...c,
    wiring: [0, f32([], [p])],
  })),
);

/** With an attribute or without it. */
const perhaps = (
  of: fc.Arbitrary<Case>,
  ...attributes: readonly Attributes[]
): fc.Arbitrary<Case> =>
  fc.tuple(of, fc.constantFrom({}, ...attributes)).map(([c, more]) => ({
    ...c,
    attributes: { ...c.attributes, ...more },
  }));

/** In a model of this opset. */
const since = (opset: number, of: fc.Arbitrary<Case>): fc.Arbitrary<Case> =>
  of.map((c) => ({ ...c, opset }));

export const ELEMENTWISE: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  Abs: unary('apart'),
  Acos: unary('small'),
  Acosh: unary('large'),
  Add: nary('any', 'any'),
  Asin: unary('small'),
  Asinh: unary(),
  Atan: unary(),
  Atanh: unary('small'),
  Cast: unary('any', { to: 11 }),
  CastLike: unary().map((c) => ({ ...c, wiring: [0, f32([], [1])] })),
  Celu: perhaps(unary('apart'), { alpha: float(0.75) }),
  Clip: unary('apart').map((c) => ({ ...c, wiring: [0, f32([], [-0.5]), f32([], [0.75])] })),
  Cos: unary(),
  Cosh: unary(),
  Div: nary('any', 'positive'),
  Dropout: unary().map((c) => ({ ...c, outputs: 2 })),
  Elu: perhaps(unary('apart'), { alpha: float(0.75) }),
  Erf: unary(),
  Exp: unary(),
  Gelu: since(20, perhaps(unary(), { approximate: 'tanh' })),
  HardSigmoid: perhaps(unary('apart'), { alpha: float(0.5), beta: float(0.25) }),
  HardSwish: unary('apart'),
  Identity: unary(),
  LeakyRelu: perhaps(unary('apart'), { alpha: float(0.2) }),
  Log: unary('positive'),
  Max: fc.oneof(apart(1), apart(2), apart(3)),
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
