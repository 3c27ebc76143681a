/** Cases of operators that arrange, cut, pad and resample. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { sizeOf } from '../../../tensors/tensor.ts';
import { float } from '../../attribute.ts';
import type { Attributes } from '../../attribute.ts';
import { f32, seeded } from '../../runtime.suite.ts';
import { along, broadcastable, dim, filled, int64, positive, seed, shapes } from './case.suite.ts';
import type { Case } from './case.suite.ts';

type Cases = fc.Arbitrary<Case>;
const scalar = (value: number): Tensor => ({ ...int64([value]), shape: [] });

const withInts = (make: (shape: number[]) => fc.Arbitrary<readonly number[]>): Cases =>
  shapes(1, 4).chain((shape) =>
    fc.tuple(make(shape), seed).map(([list, s]) => ({
      inputs: [filled(shape, s, 'any')],
      wiring: [0, int64(list)],
    })),
  );

const concat: Cases = along((shape, axis, s) =>
  fc.array(dim(), { minLength: 1, maxLength: 3 }).map((lengths) => ({
    inputs: lengths.map((length, i) =>
      filled(shape.with(positive(axis, shape.length), length), s + i, 'any'),
    ),
    attributes: { axis },
  })),
);

const split: Cases = along((shape, axis, s) =>
  fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }).map((lengths) => {
    const total = Math.max(
      1,
      lengths.reduce((a, b) => a + b, 0),
    );
    const parts = [total - lengths.slice(1).reduce((a, b) => a + b, 0), ...lengths.slice(1)];
    return {
      inputs: [filled(shape.with(positive(axis, shape.length), total), s, 'any')],
      wiring: [0, int64(parts)],
      attributes: { axis },
      outputs: parts.length,
    };
  }),
);

/** Cuts of some axes: forwards and backwards, in steps, counted from either end, beyond the ends. */
const slice: Cases = shapes().chain((shape) =>
  fc
    .tuple(
      fc.subarray([...shape.keys()], { minLength: 1 }),
      fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.constantFrom(1, 1, 2, 3, -1, -2), fc.boolean()), {
        minLength: 3,
        maxLength: 3,
      }),
      seed,
    )
    .map(([axes, cuts, s]): Case => {
      const lists = axes.map((axis, i) => {
        const [d, [a, b, step, fromEnd]] = [shape[axis] ?? 1, cuts[i] ?? [0, 0, 1, false]];
        const first = a % d;
        const start = fromEnd ? first - d : first;
        // At least the first cell is taken.
        const end = step > 0 ? Math.max(first + 1, first + 1 + b) : first - 1 - b;
        return [
          start,
          step > 0 ? (b === 5 ? 2 ** 40 : end) : end < 0 ? -(2 ** 40) : end,
          axis,
          step,
        ];
      });
      const lists4 = [0, 1, 2, 3].map((k) => int64(lists.map((list) => list[k] ?? 0)));
      return { inputs: [filled(shape, s, 'any')], wiring: [0, ...lists4] };
    }),
);

const pad: Cases = shapes(2, 4).chain((shape) =>
  fc
    .tuple(
      fc.constantFrom('constant', 'constant', 'reflect', 'edge', 'wrap'),
      fc.array(fc.integer({ min: -1, max: 3 }), {
        minLength: 2 * shape.length,
        maxLength: 2 * shape.length,
      }),
      fc.subarray([...shape.keys()], { minLength: 1 }),
      fc.boolean(),
      seed,
    )
    .map(([mode, by, axes, filling, s]): Case => {
      const roomy = shape.map((d) => d + 2);
      const limited = by.map((amount, i) => {
        const most = (roomy[i % shape.length] ?? 1) - 1;
        return mode === 'constant' ? amount : Math.min(Math.max(amount, 0), most);
      });
      const pads = [0, shape.length].flatMap((side) =>
        axes.map((axis) => limited[side + axis] ?? 0),
      );
      const constant = mode === 'constant' && filling;
      return {
        opset: 19,
        inputs: [filled(roomy, s, 'any'), ...(constant ? [f32([], [0.7])] : [])],
        wiring: [0, int64(pads), constant ? 1 : null, int64(axes)],
        attributes: { mode },
      };
    }),
);

const squeezable: Cases = shapes(1, 3).chain((shape) =>
  fc.tuple(fc.subarray([...shape.keys()], { minLength: 1 }), seed).map(([axes, s]): Case => ({
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

const PLACEMENTS = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'] as const;
const MODES: readonly Attributes[] = [
  ...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map((nearest_mode) => ({
    mode: 'nearest',
    nearest_mode,
  })),
  { mode: 'linear' },
  { mode: 'linear', antialias: 1 },
  { mode: 'cubic' },
  { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: float(-0.5) },
  { mode: 'cubic', antialias: 1 },
];

/** By sizes or by scales, one or two axes of images. */
const resize: Cases = fc
  .record({
    shape: fc.tuple(dim(2), dim(2), dim(5), dim(5)),
    to: fc.tuple(dim(8), dim(8)),
    sized: fc.boolean(),
    placed: fc.constantFrom(...PLACEMENTS),
    mode: fc.constantFrom(...MODES),
    s: seed,
  })
  .map(({ shape, to, sized: asked, placed, mode, s }): Case => {
    // Where a scale isn't the ratio of the sizes, the runtime's wider kernels are off by up to 5 %.
    const sized = asked || mode['mode'] === 'cubic' || mode['antialias'] === 1;
    // A little more than the ratio, or the runtime's shape inference rounds otherwise than its kernel.
    const scales = to.map((size, i) => (size + 0.05) / (shape[2 + i] ?? 1));
    return {
      opset: 18,
      inputs: [filled(shape, s, 'any')],
      wiring: sized ? [0, null, null, int64(to)] : [0, null, f32([4], [1, 1, ...scales])],
      attributes: {
        coordinate_transformation_mode: placed,
        ...mode,
        ...(sized && { axes: [2, 3] }),
      },
    };
  });

const upsample: Cases = fc
  .tuple(dim(2), dim(2), dim(3), dim(3), dim(3), dim(3), fc.constantFrom('nearest', 'linear'), seed)
  .map(([n, c, h, w, y, x, mode, s]): Case => ({
    opset: 9,
    inputs: [filled([n, c, h, w], s, 'any')],
    wiring: [0, f32([4], [1, 1, y, x])],
    attributes: { mode },
  }));

const blocks = (deep: boolean): Cases =>
  fc
    .tuple(dim(2), dim(2), dim(2), dim(3), dim(3), fc.constantFrom('DCR', 'CRD'), seed)
    .map(([n, c, b, h, w, mode, s]): Case => ({
      inputs: [filled(deep ? [n, c * b * b, h, w] : [n, c, h * b, w * b], s, 'any')],
      attributes: { blocksize: b, ...(deep && { mode }) },
    }));

const reverseSequence: Cases = fc
  .tuple(dim(), dim(), dim(2), fc.boolean(), seed)
  .map(([time, batch, rest, first, s]): Case => {
    const rng = seeded(s);
    const lengths = Array.from({ length: batch }, () => 1 + Math.floor(rng() * time));
    return {
      inputs: [filled(first ? [time, batch, rest] : [batch, time, rest], s, 'any')],
      wiring: [0, int64(lengths)],
      attributes: { time_axis: first ? 0 : 1, batch_axis: first ? 1 : 0 },
    };
  });

const col2Im: Cases = fc
  .record({
    batch: dim(2),
    channels: dim(2),
    block: fc.tuple(dim(2), dim(2)),
    more: fc.tuple(fc.nat(2), fc.nat(2)),
    strides: fc.tuple(dim(2), dim(2)),
    dilations: fc.tuple(dim(2), dim(2)),
    pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
    s: seed,
  })
  .map(({ batch, channels, block, more, strides, dilations, pads, s }): Case => {
    const reach = block.map((size, i) => (size - 1) * (dilations[i] ?? 1) + 1 + (more[i] ?? 0));
    const image = reach.map((size, i) => Math.max(1, size - (pads[i] ?? 0) - (pads[2 + i] ?? 0)));
    const blocks = image.map((size, i) => {
      const padded = size + (pads[i] ?? 0) + (pads[2 + i] ?? 0);
      const extent = (dilations[i] ?? 1) * ((block[i] ?? 1) - 1) + 1;
      return Math.floor((padded - extent) / (strides[i] ?? 1)) + 1;
    });
    return {
      opset: 18,
      inputs: [filled([batch, channels * sizeOf(block), sizeOf(blocks)], s, 'any')],
      wiring: [0, int64(image), int64(block)],
      attributes: { strides, dilations, pads },
    };
  });

const shuffled = (rank: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray([...Array(rank).keys()], { minLength: rank, maxLength: rank });

export const ARRANGEMENT: Readonly<Record<string, Cases>> = {
  Col2Im: col2Im,
  Concat: concat,
  CumSum: along((shape, axis, s) =>
    fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(0, 1)).map(([exclusive, reverse]) => ({
      inputs: [filled(shape, s, 'any')],
      wiring: [0, scalar(axis)],
      attributes: { exclusive, reverse },
    })),
  ),
  DepthToSpace: blocks(true),
  Expand: fc.tuple(broadcastable(2), seed).map(([[from = [], to = []], s]) => ({
    inputs: [filled(from, s, 'any')],
    wiring: [0, int64(to)],
  })),
  Flatten: shapes(2, 4).chain((shape) =>
    fc
      .tuple(fc.nat(shape.length), seed)
      .map(([axis, s]) => ({ inputs: [filled(shape, s, 'any')], attributes: { axis } })),
  ),
  Pad: pad,
  Reshape: withInts((shape) => fc.constantFrom([-1], [0, -1], shape.toReversed(), [1, ...shape])),
  Resize: resize,
  ReverseSequence: reverseSequence,
  Slice: slice,
  SpaceToDepth: blocks(false),
  Split: split,
  Squeeze: squeezable,
  Tile: withInts((shape) => fc.array(dim(3), { minLength: shape.length, maxLength: shape.length })),
  Transpose: shapes(1, 4).chain((shape) =>
    fc
      .tuple(shuffled(shape.length), seed)
      .map(([perm, s]) => ({ inputs: [filled(shape, s, 'any')], attributes: { perm } })),
  ),
  Trilu: along(
    (shape, axis, s) =>
      fc.tuple(fc.integer({ min: -2, max: 2 }), fc.constantFrom(0, 1)).map(([k, upper]) => ({
        inputs: [filled(shape, s, 'any')],
        wiring: [0, scalar(k)],
        attributes: { upper },
      })),
    2,
  ),
  Unsqueeze: withInts((shape) => fc.constantFrom([0], [-1], [0, shape.length + 1])),
  Upsample: upsample,
  Where: fc.tuple(broadcastable(2), seed).map(([[a = [], b = []], s]) => {
    const shape = a.length > b.length ? a : b;
    const rng = seeded(s);
    const data = Uint8Array.from({ length: sizeOf(shape) }, () => Math.round(rng()));
    const inputs = [filled(a, s, 'any'), filled(b, s + 1, 'any')];
    return { inputs, wiring: [{ dtype: 'BOOL', shape, data }, 0, 1] };
  }),
};
