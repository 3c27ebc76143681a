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
  Add: nary('any', 'any'),
  AveragePool: pool(
    'any',
    fc.constantFrom<Attributes>({}, { count_include_pad: 1 }, { ceil_mode: 1 }),
    false,
  ),
  Cast: unary('any', { to: 11 }),
  Clip: unary('apart').map((c) => ({ ...c, wiring: [0, f32([], [-0.5]), f32([], [0.75])] })),
  Concat: concat,
  Conv: conv,
  Cos: unary(),
  Div: nary('any', 'positive'),
  Dropout: unary().map((c) => ({ ...c, outputs: 2 })),
  Elu: unary('apart', { alpha: float(0.75) }),
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
  Gemm: gemm,
  GlobalAveragePool: fc
    .tuple(shapes(3, 4), seed)
    .map(([shape, s]) => ({ inputs: [filled(shape, s, 'any')] })),
  Identity: unary(),
  LeakyRelu: unary('apart', { alpha: float(0.2) }),
  Log: unary('positive'),
  LogSoftmax: onAxis('any'),
  MatMul: matMul,
  MaxPool: pool('apart', fc.constantFrom<Attributes>({}, { ceil_mode: 1 }), true),
  Mul: nary('any', 'any'),
  Neg: unary(),
  Pad: withInts((shape) =>
    fc.array(fc.nat(2), { minLength: 2 * shape.length, maxLength: 2 * shape.length }),
  ),
  Pow: nary('positive', 'any'),
  Reciprocal: unary('positive'),
  ReduceMean: reduction(false),
  ReduceSum: reduction(true),
  Relu: unary('apart'),
  Reshape: withInts((shape) => fc.constantFrom([-1], [0, -1], shape.toReversed(), [1, ...shape])),
  Sigmoid: unary(),
  Sin: unary(),
  Slice: slice,
  Softmax: onAxis('any'),
  Softplus: unary(),
  Sqrt: unary('positive'),
  Squeeze: squeezable,
  Sub: nary('any', 'any'),
  Sum: nary('any', 'any', 'any'),
  Tanh: unary(),
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
