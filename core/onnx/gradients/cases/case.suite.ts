/** What every operator's cases are made of. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { sizeOf } from '../../../tensors/tensor.ts';
import type { Attributes } from '../../attribute.ts';
import { f32, seeded } from '../../runtime.suite.ts';

export interface Case {
  /** Float inputs, whose gradients are looked at. */
  readonly inputs: readonly Tensor[];
  /** Where each node input comes from: an index into `inputs`, a constant, or nothing. Default: all inputs in order. */
  readonly wiring?: readonly (number | Tensor | null)[];
  readonly attributes?: Attributes;
  readonly outputs?: number;
  /** Opset of the model. Default 17. */
  readonly opset?: number;
}

export type Values = 'any' | 'positive' | 'small' | 'large' | 'apart';

const RANGES: Readonly<Record<Exclude<Values, 'apart'>, readonly [low: number, width: number]>> = {
  any: [-2, 4],
  positive: [0.5, 2],
  small: [-0.6, 1.2],
  large: [1.5, 2],
};

/**
 * Values of a range, or `apart`: all different, 0.25 from each other and 0.125 from any multiple of it, so that nothing
 * near a kink or a tie is asked for a derivative.
 */
export const filled = (shape: readonly number[], seed: number, values: Values): Tensor => {
  const rng = seeded(seed);
  const size = sizeOf(shape);
  if (values !== 'apart') {
    const [low, width] = RANGES[values];
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

export const dim = (max = 4): fc.Arbitrary<number> => fc.integer({ min: 1, max });
export const seed = fc.integer({ min: 1, max: 1e6 });
export const shapes = (minLength = 1, maxLength = 3): fc.Arbitrary<number[]> =>
  fc.array(dim(), { minLength, maxLength });
export const int64 = (values: readonly number[]): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

export const unary = (values: Values = 'any', attributes: Attributes = {}): fc.Arbitrary<Case> =>
  fc
    .tuple(shapes(), seed)
    .map(([shape, s]) => ({ inputs: [filled(shape, s, values)], attributes }));

/** Shapes that broadcast with each other. */
export const broadcastable = (count: number): fc.Arbitrary<number[][]> =>
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

export const nary = (...values: readonly Values[]): fc.Arbitrary<Case> =>
  fc.tuple(broadcastable(values.length), seed).map(([all, s]) => ({
    inputs: all.map((shape, i) => filled(shape, s + i, values[i] ?? 'any')),
  }));

export const axisOf = (rank: number): fc.Arbitrary<number> =>
  fc.integer({ min: -rank, max: rank - 1 });

export const onAxis = (values: Values): fc.Arbitrary<Case> =>
  shapes().chain((shape) =>
    fc.tuple(axisOf(shape.length), seed).map(([axis, s]) => ({
      inputs: [filled(shape, s, values)],
      attributes: { axis },
    })),
  );

/** An axis counted from the front. */
export const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** A case on an axis of a tensor of some shape. */
export const along = (
  make: (shape: number[], axis: number, s: number) => fc.Arbitrary<Case>,
  minRank = 1,
): fc.Arbitrary<Case> =>
  shapes(minRank, 3).chain((shape) =>
    fc.tuple(axisOf(shape.length), seed).chain(([axis, s]) => make(shape, axis, s)),
  );
