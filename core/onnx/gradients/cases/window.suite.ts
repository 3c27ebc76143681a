/** Cases of operators that slide a window. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import type { Attributes } from '../../attribute.ts';
import { f32 } from '../../runtime.suite.ts';
import { dim, filled, seed, shapes } from './case.suite.ts';
import type { Case } from './case.suite.ts';

type Cases = fc.Arbitrary<Case>;
type Fill = (shape: readonly number[], seed: number) => Tensor;

const any: Fill = (shape, s) => filled(shape, s, 'any');
const apart: Fill = (shape, s) => filled(shape, s, 'apart');

/** In [-2.75, 2.75], but not within 0.75 of 0. */
const away: Fill = (shape, s) => {
  const values = Array.from(filled(shape, s, 'any').data, Number);
  return f32(
    shape,
    values.map((value) => value + 0.75 * Math.sign(value)),
  );
};

interface Sliding {
  readonly kernel: readonly number[];
  readonly size: readonly number[];
  readonly attributes: Attributes;
}

const AUTO_PADS = ['NOTSET', 'NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'];

/** As many of each as there are axes: one to three. */
const axes = <T>(
  make: (each: <V>(value: fc.Arbitrary<V>) => fc.Arbitrary<V[]>) => fc.Arbitrary<T>,
) =>
  fc
    .constantFrom(1, 2, 2, 3)
    .chain((rank) => make((value) => fc.array(value, { minLength: rank, maxLength: rank })));

/** Windows that fit their input. The runtime refuses a pool whose padding is not smaller than its kernel. */
const sliding = (pools: boolean): fc.Arbitrary<Sliding> =>
  axes((each) =>
    fc.record({
      kernel: each(dim(3)),
      strides: each(dim(3)),
      dilations: each(dim(2)),
      begin: each(fc.nat(2)),
      end: each(fc.nat(2)),
      extra: each(fc.nat(3)),
      autoPad: fc.constantFrom(...AUTO_PADS),
    }),
  ).map(({ kernel, strides, dilations, begin, end, extra, autoPad }) => {
    const limit = (pads: number[]) =>
      pads.map((by, i) => (pools ? Math.min(by, (kernel[i] ?? 1) - 1) : by));
    return {
      kernel,
      size: kernel.map((k, i) => (k - 1) * (dilations[i] ?? 1) + 1 + (extra[i] ?? 0)),
      attributes: {
        kernel_shape: kernel,
        strides,
        dilations,
        ...(autoPad === 'NOTSET'
          ? { pads: [...limit(begin), ...limit(end)] }
          : { auto_pad: autoPad }),
      },
    };
  });

const conv: Cases = fc
  .tuple(sliding(false), dim(2), dim(2), dim(2), dim(2), fc.boolean(), seed)
  .map(([{ kernel, size, attributes }, batch, group, inputs, outputs, bias, s]): Case => ({
    inputs: [
      any([batch, group * inputs, ...size], s),
      any([group * outputs, inputs, ...kernel], s + 1),
      ...(bias ? [any([group * outputs], s + 2)] : []),
    ],
    attributes: { ...attributes, group },
  }));

/** Where the output's size comes from: pads, auto_pad, or output_shape, a little smaller than without padding. */
const convTranspose: Cases = fc
  .tuple(
    axes((each) =>
      fc.record({
        kernel: each(fc.integer({ min: 2, max: 3 })),
        strides: each(dim(3)),
        dilations: each(dim(2)),
        pads: each(fc.tuple(fc.nat(1), fc.nat(1))),
        more: each(fc.nat(2)),
        size: each(fc.integer({ min: 2, max: 3 })),
        autoPad: fc.constantFrom(...AUTO_PADS),
        asks: fc.boolean(),
      }),
    ),
    dim(2),
    dim(2),
    dim(2),
    dim(2),
    fc.boolean(),
    seed,
  )
  .map(([w, batch, group, inputs, outputs, bias, s]): Case => {
    const more = w.more.map((by, i) => Math.min(by, (w.strides[i] ?? 1) - 1));
    const whole = w.kernel.map(
      (k, i) =>
        ((w.size[i] ?? 1) - 1) * (w.strides[i] ?? 1) +
        (k - 1) * (w.dilations[i] ?? 1) +
        1 +
        (more[i] ?? 0),
    );
    const padded = w.autoPad === 'NOTSET' && !w.asks;
    return {
      inputs: [
        any([batch, group * inputs, ...w.size], s),
        any([group * inputs, outputs, ...w.kernel], s + 1),
        ...(bias ? [any([group * outputs], s + 2)] : []),
      ],
      attributes: {
        group,
        strides: w.strides,
        dilations: w.dilations,
        output_padding: more,
        auto_pad: w.autoPad,
        ...(padded && { pads: [0, 1].flatMap((end) => w.pads.map((pair) => pair[end] ?? 0)) }),
        ...(w.asks && { output_shape: whole.map((size, i) => size - (w.pads[i]?.[0] ?? 0)) }),
      },
    };
  });

/** Pools with random windows and one of the given sets of attributes more. */
const pool = (fill: Fill, opset: number, dilated: boolean, ...more: readonly Attributes[]): Cases =>
  fc
    .tuple(sliding(true), dim(2), dim(2), fc.constantFrom(...more), seed)
    .map(([{ size, attributes }, n, c, extra, s]) => {
      const { dilations, ...rest } = attributes;
      return {
        opset,
        inputs: [fill([n, c, ...size.map((d) => d + 1)], s)],
        attributes: { ...rest, ...(dilated && dilations !== undefined && { dilations }), ...extra },
      };
    });

/** Over all cells of a channel. */
const global = (fill: Fill, ...more: readonly Attributes[]): Cases =>
  fc
    .tuple(shapes(3, 5), fc.constantFrom({}, ...more), seed)
    .map(([shape, attributes, s]) => ({ inputs: [fill(shape, s)], attributes }));

const MEANS: readonly Attributes[] = [
  {},
  { count_include_pad: 1 },
  { ceil_mode: 1 },
  { ceil_mode: 1, count_include_pad: 1 },
];

export const WINDOW: Readonly<Record<string, Cases>> = {
  AveragePool: fc.oneof(pool(any, 17, false, ...MEANS), pool(any, 19, true, ...MEANS)),
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: global(any),
  GlobalLpPool: global(away, { p: 1 }, { p: 2 }, { p: 3 }),
  GlobalMaxPool: global(apart),
  LpPool: fc.oneof(
    pool(away, 17, false, {}, { p: 1 }, { p: 3 }),
    pool(away, 18, true, { ceil_mode: 1 }, { p: 1 }, { p: 3, ceil_mode: 1 }),
  ),
  MaxPool: pool(apart, 17, true, {}, { ceil_mode: 1 }),
};
