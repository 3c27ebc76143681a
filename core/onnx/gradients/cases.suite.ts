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
import { apart, pRelu, perhaps, pow, since } from './cases/elementwise.suite.ts';
import { gemm, matMul } from './cases/linear.suite.ts';
import { conv, pool } from './cases/window.suite.ts';

const reduction = (opset18: boolean): fc.Arbitrary<Case> =>
  shapes().chain((shape) =>
    fc
      .tuple(fc.subarray(shape.map((_, axis) => axis)), fc.constantFrom(0, 1), seed)
      .map(([axes, keepdims, s]) => ({
        inputs: [filled(shape, s, 'any')],
        ...(opset18 && axes.length > 0 && { wiring: [0, int64(axes)] }),
        attributes: { keepdims, ...(!opset18 && axes.length > 0 && { axes }) },
      })),
  );

const withInts = (make: (shape: number[]) => fc.Arbitrary<readonly number[]>): fc.Arbitrary<Case> =>
  shapes(1, 4).chain((shape) =>
    fc.tuple(make(shape), seed).map(([list, s]) => ({
      inputs: [filled(shape, s, 'any')],
      wiring: [0, int64(list)],
    })),
  );

const concat = fc
  .tuple(shapes(), fc.array(dim(), { minLength: 1, maxLength: 3 }), fc.nat(2), seed)
  .map(([shape, lengths, at, s]): Case => {
    const axis = at % shape.length;
    return {
      inputs: lengths.map((length, i) => filled(shape.with(axis, length), s + i, 'any')),
      attributes: { axis },
    };
  });

const slice = shapes().chain((shape) =>
  fc.tuple(...shape.map((d) => fc.tuple(fc.nat(d - 1), dim(d)))).chain((cuts) =>
    seed.map((s): Case => {
      const starts = cuts.map(([start]) => start);
      const ends = cuts.map(([start, length]) => start + length);
      return { inputs: [filled(shape, s, 'any')], wiring: [0, int64(starts), int64(ends)] };
    }),
  ),
);

const squeezable = shapes(1, 3).chain((shape) =>
  fc
    .tuple(
      fc.subarray(
        shape.map((_, axis) => axis),
        { minLength: 1 },
      ),
      seed,
    )
    .map(([axes, s]): Case => ({
      inputs: [
        filled(
          shape.map((d, axis) => (axes.includes(axis) ? 1 : d)),
          s,
          'any',
        ),
      ],
      wiring: [0, int64(axes)],
    })),
);

const shuffled = (rank: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray(
    Array.from({ length: rank }, (_, i) => i),
    { minLength: rank, maxLength: rank },
  );

/** One line per operator, as in the registry. */
export const CASES: Readonly<Record<string, fc.Arbitrary<Case>>> = {
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
  Concat: concat,
  Conv: conv,
  Cos: unary(),
  Cosh: unary(),
  Div: nary('any', 'positive'),
  Dropout: unary().map((c) => ({ ...c, outputs: 2 })),
  Elu: perhaps(unary('apart'), { alpha: float(0.75) }),
  Erf: unary(),
  Exp: unary(),
  Expand: fc.tuple(broadcastable(2), seed).map(([[from = [], to = []], s]) => ({
    inputs: [filled(from, s, 'any')],
    wiring: [0, int64(to)],
  })),
  Flatten: shapes(2, 4).chain((shape) =>
    fc
      .tuple(fc.nat(shape.length), seed)
      .map(([axis, s]) => ({ inputs: [filled(shape, s, 'any')], attributes: { axis } })),
  ),
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
  Pad: withInts((shape) =>
    fc.array(fc.nat(2), { minLength: 2 * shape.length, maxLength: 2 * shape.length }),
  ),
  Pow: pow,
  Reciprocal: unary('positive'),
  ReduceMean: reduction(false),
  ReduceSum: reduction(true),
  Relu: unary('apart'),
  Reshape: withInts((shape) => fc.constantFrom([-1], [0, -1], shape.toReversed(), [1, ...shape])),
  Selu: perhaps(unary('apart'), { alpha: float(1.25), gamma: float(1.5) }),
  Shrink: perhaps(unary('apart'), { lambd: float(0.75), bias: float(0.25) }),
  Sigmoid: unary(),
  Sin: unary(),
  Sinh: unary(),
  Slice: slice,
  Softmax: onAxis('any'),
  Softplus: unary(),
  Softsign: unary('apart'),
  Sqrt: unary('positive'),
  Squeeze: squeezable,
  Sub: nary('any', 'any'),
  Sum: nary('any', 'any', 'any'),
  Swish: since(24, perhaps(unary(), { alpha: float(1.5) })),
  Tan: unary('small'),
  Tanh: unary(),
  ThresholdedRelu: perhaps(unary('apart'), { alpha: float(0.5) }),
  Transpose: shapes(1, 4).chain((shape) =>
    fc
      .tuple(shuffled(shape.length), seed)
      .map(([perm, s]) => ({ inputs: [filled(shape, s, 'any')], attributes: { perm } })),
  ),
  Unsqueeze: withInts((shape) => fc.constantFrom([0], [-1], [0, shape.length + 1])),
  Where: fc.tuple(nary('any', 'any'), seed).map(([c, s]) => {
    const shape =
      c.inputs.map(({ shape: own }) => own).toSorted((a, b) => b.length - a.length)[0] ?? [];
    const data = Uint8Array.from({ length: sizeOf(shape) }, (_, i) =>
      (filled([i + 1], s, 'any').data[i] ?? 0) > 0 ? 1 : 0,
    );
    return { ...c, wiring: [{ dtype: 'BOOL', shape, data }, 0, 1] };
  }),
};
