/** For each differentiable operator: graphs of one node, with random shapes, attributes and values. */
import * as fc from 'fast-check';
import type { Tensor } from '../../tensors/tensor.ts';
import { sizeOf } from '../../tensors/tensor.ts';
import { float } from '../attribute.ts';
import type { Attributes } from '../attribute.ts';
import { f32, seeded } from '../runtime.suite.ts';

export interface Case {
  /** Float inputs, whose gradients are looked at. */
  readonly inputs: readonly Tensor[];
  /** Where each node input comes from: an index into `inputs`, a constant, or nothing. Default: all inputs in order. */
  readonly wiring?: readonly (number | Tensor | null)[];
  readonly attributes?: Attributes;
  readonly outputs?: number;
}

type Values = 'any' | 'positive' | 'apart';

/**
 * `any` in [-2, 2], `positive` in [0.5, 2.5]; `apart`: all different, 0.25 from each other and 0.125 from any multiple
 * of it, so that nothing near a kink or a tie is asked for a derivative.
 */
const filled = (shape: readonly number[], seed: number, values: Values): Tensor => {
  const rng = seeded(seed);
  const size = sizeOf(shape);
  if (values !== 'apart') {
    const [low, width] = values === 'positive' ? [0.5, 2] : [-2, 4];
    return f32(
      shape,
      Array.from({ length: size }, () => low + width * rng()),
    );
  }
  const ranks = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(rng() * (i + 1));
    [ranks[i], ranks[j]] = [ranks[j] ?? 0, ranks[i] ?? 0];
  }
  return f32(
    shape,
    ranks.map((rank) => (rank - Math.floor(size / 2)) * 0.25 + 0.125),
  );
};

const dim = (max = 4): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const seed = fc.integer({ min: 1, max: 1e6 });
const shapes = (minLength = 1, maxLength = 3): fc.Arbitrary<number[]> =>
  fc.array(dim(), { minLength, maxLength });
const int64 = (values: readonly number[]): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

const unary = (values: Values = 'any', attributes: Attributes = {}): fc.Arbitrary<Case> =>
  fc
    .tuple(shapes(), seed)
    .map(([shape, s]) => ({ inputs: [filled(shape, s, values)], attributes }));

/** Shapes that broadcast with each other. */
const broadcastable = (count: number): fc.Arbitrary<number[][]> =>
  shapes().chain((shape) =>
    fc.tuple(
      ...Array.from({ length: count }, () =>
        fc
          .tuple(
            fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
            fc.nat(shape.length),
          )
          .map(([ones, drop]) => shape.map((d, i) => (ones[i] ? 1 : d)).slice(drop)),
      ),
    ),
  );

const nary = (...values: readonly Values[]): fc.Arbitrary<Case> =>
  fc.tuple(broadcastable(values.length), seed).map(([all, s]) => ({
    inputs: all.map((shape, i) => filled(shape, s + i, values[i] ?? 'any')),
  }));

const axisOf = (rank: number): fc.Arbitrary<number> => fc.integer({ min: -rank, max: rank - 1 });

const onAxis = (values: Values): fc.Arbitrary<Case> =>
  shapes().chain((shape) =>
    fc.tuple(axisOf(shape.length), seed).map(([axis, s]) => ({
      inputs: [filled(shape, s, values)],
      attributes: { axis },
    })),
  );

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

const gemm = fc
  .tuple(dim(), dim(), dim(), fc.constantFrom(0, 1), fc.constantFrom(0, 1), fc.nat(4), seed)
  .map(([m, k, n, transA, transB, bias, s]): Case => {
    const c = [[n], [1, n], [m, 1], [m, n]][bias];
    return {
      inputs: [
        filled(transA ? [k, m] : [m, k], s, 'any'),
        filled(transB ? [n, k] : [k, n], s + 1, 'any'),
        ...(c === undefined ? [] : [filled(c, s + 2, 'any')]),
      ],
      attributes: { transA, transB, alpha: float(1.5), beta: float(bias % 2 ? 1 : 0.5) },
    };
  });

const matMul = fc
  .tuple(
    dim(3),
    dim(3),
    dim(3),
    broadcastable(2),
    fc.constantFrom('both', 'left', 'right', 'dot'),
    seed,
  )
  .map(([m, k, n, [left = [], right = []], form, s]): Case => ({
    inputs: [
      filled(form === 'left' || form === 'dot' ? [k] : [...left, m, k], s, 'any'),
      filled(form === 'right' || form === 'dot' ? [k] : [...right, k, n], s + 1, 'any'),
    ],
  }));

interface Sliding {
  readonly kernel: readonly number[];
  readonly size: readonly number[];
  readonly attributes: Attributes;
}

/** Windows that fit their input: one to three axes for convolutions, two for pools. */
const sliding = (ranks: readonly number[], padLess: boolean): fc.Arbitrary<Sliding> =>
  fc.constantFrom(...ranks).chain((rank) => {
    const each = <T>(value: fc.Arbitrary<T>) =>
      fc.array(value, { minLength: rank, maxLength: rank });
    return fc
      .record({
        kernel: each(dim(3)),
        strides: each(dim(3)),
        dilations: each(dim(2)),
        begin: each(fc.nat(2)),
        end: each(fc.nat(2)),
        extra: each(fc.nat(3)),
        autoPad: fc.constantFrom('NOTSET', 'NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
      })
      .map(({ kernel, strides, dilations, begin, end, extra, autoPad }) => {
        const auto = autoPad !== 'NOTSET';
        // The runtime refuses a pool whose padding is not smaller than its kernel, and SAME with dilations or gaps.
        const limit = (pads: number[]) =>
          pads.map((by, i) => (padLess ? Math.min(by, (kernel[i] ?? 1) - 1) : by));
        const dilated = auto ? kernel.map(() => 1) : dilations;
        return {
          kernel,
          size: kernel.map((k, i) => (k - 1) * (dilated[i] ?? 1) + 1 + (extra[i] ?? 0)),
          attributes: {
            kernel_shape: kernel,
            strides: auto ? strides.map((by, i) => Math.min(by, kernel[i] ?? 1)) : strides,
            dilations: dilated,
            ...(auto ? { auto_pad: autoPad } : { pads: [...limit(begin), ...limit(end)] }),
          },
        };
      });
  });

const conv = fc
  .tuple(sliding([1, 2, 2, 2], false), dim(2), dim(2), dim(2), dim(2), fc.boolean(), seed)
  .map(([{ kernel, size, attributes }, batch, group, inputs, outputs, bias, s]): Case => ({
    inputs: [
      filled([batch, group * inputs, ...size], s, 'any'),
      filled([group * outputs, inputs, ...kernel], s + 1, 'any'),
      ...(bias ? [filled([group * outputs], s + 2, 'any')] : []),
    ],
    attributes: { ...attributes, group },
  }));

const pool = (
  values: Values,
  more: fc.Arbitrary<Attributes>,
  dilated: boolean,
): fc.Arbitrary<Case> =>
  fc
    .tuple(sliding([1, 2, 2], true), dim(2), dim(2), more, seed)
    .map(([{ size, attributes }, n, c, extra, s]) => {
      const { dilations, ...rest } = attributes;
      return {
        inputs: [filled([n, c, ...size.map((d) => d + 1)], s, values)],
        attributes: { ...rest, ...(dilated && dilations !== undefined && { dilations }), ...extra },
      };
    });

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
