/** Cases of normalisations. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { float } from '../../attribute.ts';
import type { Attributes } from '../../attribute.ts';
import { f32 } from '../../runtime.suite.ts';
import { axisOf, dim, filled, onAxis, seed, shapes } from './case.suite.ts';
import type { Case } from './case.suite.ts';

type Cases = fc.Arbitrary<Case>;

/** Large enough that no slope changes much within the differences' spacing. */
const EPSILON: Attributes = { epsilon: float(0.5) };

/** All different, 1 from each other: nothing divides by a small deviation or length. */
const wide = (shape: readonly number[], s: number): Tensor =>
  f32(
    shape,
    Array.from(filled(shape, s, 'apart').data, Number).map((value) => 4 * value),
  );

/** Means, then variances. */
const batch: Cases = fc.tuple(shapes(2, 4), seed).map(([shape, s]) => {
  const channels = [shape[1] ?? 1];
  const scales = [1, 2, 3].map((i) => filled(channels, s + i, 'any'));
  return {
    inputs: [filled(shape, s, 'any'), ...scales, filled(channels, s + 4, 'positive')],
    attributes: EPSILON,
  };
});

const instance: Cases = fc.tuple(shapes(3, 4), seed).map(([shape, s]) => {
  const channels = [shape[1] ?? 1];
  return {
    inputs: [
      filled(shape, s, 'any'),
      filled(channels, s + 1, 'any'),
      filled(channels, s + 2, 'any'),
    ],
    attributes: EPSILON,
  };
});

/** Scale, and bias where there is one, over the axes from `axis` on; not over the first, which may be a symbol. */
const layer = (opset: number, biased: boolean): Cases =>
  shapes(2, 4).chain((shape) =>
    fc.tuple(axisOf(shape.length - 1), fc.boolean(), seed).map(([at, bias, s]) => {
      const axis = at < 0 ? at : at + 1;
      const own = shape.slice(axis);
      return {
        opset,
        inputs: [
          filled(shape, s, 'any'),
          filled(own, s + 1, 'any'),
          ...(biased && bias ? [filled(own, s + 2, 'any')] : []),
        ],
        attributes: { axis, ...EPSILON },
      };
    }),
  );

/** Scale and bias per channel since opset 21, per group before. */
const group: Cases = fc
  .tuple(shapes(1, 2), dim(2), dim(3), dim(3), fc.constantFrom(18, 21), seed)
  .map(([size, n, groups, each, opset, s]) => {
    const channels = groups * each;
    const own = [opset === 18 ? groups : channels];
    return {
      opset,
      inputs: [
        filled([n, channels, ...size], s, 'any'),
        filled(own, s + 1, 'any'),
        filled(own, s + 2, 'any'),
      ],
      attributes: { num_groups: groups, ...EPSILON },
    };
  });

const lrn: Cases = fc
  .tuple(shapes(4, 4), fc.constantFrom(1, 3, 5), seed)
  .map(([shape, size, s]) => ({
    inputs: [filled(shape, s, 'any')],
    attributes: { size, alpha: float(0.5), beta: float(0.7), bias: float(1.5) },
  }));

const meanVariance: Cases = shapes(4, 4).chain((shape) =>
  fc
    .tuple(fc.subarray([0, 1, -2, 3], { minLength: 1 }), fc.boolean(), seed)
    .map(([axes, named, s]) => ({
      // Of one element, the runtime divides 0 by 0.
      inputs: [
        wide(
          shape.map((d) => d + 1),
          s,
        ),
      ],
      attributes: named ? { axes } : {},
    })),
);

const length: Cases = fc
  .tuple(onAxis('any'), fc.constantFrom({}, { p: 1 }, { p: 2 }))
  .map(([c, p]) => ({
    ...c,
    inputs: c.inputs.map(({ shape }, i) => wide(shape, i + shape.length)),
    attributes: { ...c.attributes, ...p },
  }));

export const NORMALIZATION: Readonly<Record<string, Cases>> = {
  BatchNormalization: batch,
  GroupNormalization: group,
  InstanceNormalization: instance,
  LRN: lrn,
  LayerNormalization: layer(17, true),
  LogSoftmax: onAxis('any'),
  LpNormalization: length,
  MeanVarianceNormalization: meanVariance,
  RMSNormalization: layer(23, false),
  Softmax: onAxis('any'),
};
