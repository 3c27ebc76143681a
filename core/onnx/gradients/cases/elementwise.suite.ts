import * as fc from 'fast-check';
import { sizeOf } from '../../../tensors/tensor.ts';
import type { Attributes } from '../../attribute.ts';
import { f32 } from '../../runtime.suite.ts';
import { broadcastable, filled, nary, seed, shapes, unary } from './case.suite.ts';
import type { Case } from './case.suite.ts';

/** Inputs of which no two elements are near each other, so that none is nearly the largest of several. */
export const apart = (count: number): fc.Arbitrary<Case> =>
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
export const pRelu: fc.Arbitrary<Case> = fc
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
export const pow: fc.Arbitrary<Case> = fc.oneof(
  nary('positive', 'any'),
  fc.tuple(unary('positive'), fc.constantFrom(0, 0.5, 1, 2, 3, -1.5)).map(([c, p]) => ({
    ...c,
    wiring: [0, f32([], [p])],
  })),
);

/** With an attribute or without it. */
export const perhaps = (
  of: fc.Arbitrary<Case>,
  ...attributes: readonly Attributes[]
): fc.Arbitrary<Case> =>
  fc.tuple(of, fc.constantFrom({}, ...attributes)).map(([c, more]) => ({
    ...c,
    attributes: { ...c.attributes, ...more },
  }));

/** In a model of this opset. */
export const since = (opset: number, of: fc.Arbitrary<Case>): fc.Arbitrary<Case> =>
  of.map((c) => ({ ...c, opset }));
