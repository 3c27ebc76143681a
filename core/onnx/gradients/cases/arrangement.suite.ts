/** Cases of operators that arrange, cut, index and resample. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { sizeOf } from '../../../tensors/tensor.ts';
import { float } from '../../attribute.ts';
import type { Attributes } from '../../attribute.ts';
import { f32, seeded } from '../../runtime.suite.ts';
import { axisOf, broadcastable, dim, filled, int64, seed, shapes } from './case.suite.ts';
import type { Case } from './case.suite.ts';

type Cases = fc.Arbitrary<Case>;
const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const scalar = (value: number): Tensor => ({ ...int64([value]), shape: [] });

/** Indices below `limit`, some counted from the end. */
const indices = (shape: readonly number[], limit: number, seed: number): Tensor => {
  const rng = seeded(seed);
  const data = BigInt64Array.from({ length: sizeOf(shape) }, () =>
    BigInt(Math.floor(rng() * 2 * limit) - limit),
  );
  return { dtype: 'I64', shape, data };
};

/** Different tuples [..., k] of indices into the first k axes of `shape`. */
const tuples = (count: number, indexed: readonly number[], seed: number): Tensor => {
  const rng = seeded(seed);
  const cells = Array.from({ length: sizeOf(indexed) }, (_, i) => i)
    .map((cell) => ({ cell, key: rng() }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, count)
    .flatMap(({ cell }) => {
      const strides = indexed.map((_, i) => sizeOf(indexed.slice(i + 1)));
      return strides.map((stride, i) => Math.floor(cell / stride) % (indexed[i] ?? 1));
    });
  return { ...int64(cells), shape: [cells.length / indexed.length, indexed.length] };
};

const withInts = (make: (shape: number[]) => fc.Arbitrary<readonly number[]>): Cases =>
  shapes(1, 4).chain((shape) =>
    fc.tuple(make(shape), seed).map(([list, s]) => ({
      inputs: [filled(shape, s, 'any')],
      wiring: [0, int64(list)],
    })),
  );

/** A case on an axis of a tensor of some shape. */
const along = (
  make: (shape: number[], axis: number, s: number) => fc.Arbitrary<Case>,
  minRank = 1,
): Cases =>
  shapes(minRank, 3).chain((shape) =>
    fc.tuple(axisOf(shape.length), seed).chain(([axis, s]) => make(shape, axis, s)),
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

const gather: Cases = along((shape, axis, s) =>
  shapes(0, 2).map((picked) => ({
    inputs: [filled(shape, s, 'any')],
    wiring: [0, indices(picked, shape.at(axis) ?? 1, s)],
    attributes: { axis },
  })),
);

const gatherElements: Cases = along((shape, axis, s) =>
  dim().map((count) => ({
    inputs: [filled(shape, s, 'any')],
    wiring: [0, indices(shape.with(positive(axis, shape.length), count), shape.at(axis) ?? 1, s)],
    attributes: { axis },
  })),
);

const gatherND: Cases = shapes(2, 4).chain((shape) =>
  fc.tuple(fc.nat(1), dim(shape.length - 1), shapes(0, 1), seed).map(([b, k, other, s]): Case => {
    const limit = Math.min(...shape.slice(b, b + k));
    return {
      inputs: [filled(shape, s, 'any')],
      wiring: [0, indices([...shape.slice(0, b), ...other, k], limit, s)],
      attributes: { batch_dims: b },
    };
  }),
);

/** Only sums, products and extremes let several updates meet. Extremes keep apart, and come with opset 18. */
const scatterElements: Cases = along((shape, axis, s) =>
  fc.tuple(dim(), fc.constantFrom('none', 'add', 'mul', 'max', 'min')).map(([count, reduction]) => {
    const at = positive(axis, shape.length);
    const some = reduction === 'none' ? Math.min(count, shape[at] ?? 1) : count;
    const where = shape.with(at, some);
    const values = reduction === 'none' || reduction === 'add' ? 'any' : 'apart';
    const all = filled([sizeOf(shape) + sizeOf(where)], s, values).data as Float32Array;
    const inputs = [
      f32(shape, all.subarray(0, sizeOf(shape))),
      f32(where, all.subarray(sizeOf(shape))),
    ];
    const distinct = int64(
      Array.from(
        { length: sizeOf(where) },
        (_, i) => Math.floor(i / sizeOf(where.slice(at + 1))) % some,
      ),
    );
    const index =
      reduction === 'none' ? { ...distinct, shape: where } : indices(where, shape[at] ?? 1, s);
    return { opset: 18, inputs, wiring: [0, index, 1], attributes: { axis, reduction } };
  }),
);

const scatterND: Cases = shapes(1, 3).chain((shape) =>
  fc
    .tuple(dim(shape.length), dim(), fc.constantFrom('none', 'add'), seed)
    .map(([k, count, reduction, s]): Case => {
      const indexed = shape.slice(0, k);
      const where =
        reduction === 'none'
          ? tuples(count, indexed, s)
          : indices([count, k], Math.min(...indexed), s);
      const updates = [where.shape[0] ?? 0, ...shape.slice(k)];
      return {
        inputs: [filled(shape, s, 'any'), filled(updates, s + 1, 'any')],
        wiring: [0, where, 1],
        attributes: { reduction },
      };
    }),
);

const topK: Cases = along((shape, axis, s) =>
  fc.tuple(dim(shape.at(axis)), fc.constantFrom(0, 1)).map(([k, largest]) => ({
    inputs: [filled(shape, s, 'apart')],
    wiring: [0, int64([k])],
    attributes: { axis, largest },
    outputs: 2,
  })),
);

const compress: Cases = along((shape, axis, s) =>
  fc.boolean().map((flat) => {
    const length = flat ? sizeOf(shape) : (shape.at(axis) ?? 1);
    const rng = seeded(s);
    const data = Uint8Array.from({ length }, (_, i) => (i === 0 || rng() > 0.5 ? 1 : 0));
    return {
      inputs: [filled(shape, s, 'any')],
      wiring: [0, { dtype: 'BOOL', shape: [length], data }],
      attributes: flat ? {} : { axis },
    };
  }),
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

/** Windows side by side; each element goes to some cell of its own. */
const maxUnpool: Cases = fc
  .tuple(dim(2), dim(2), dim(3), dim(3), seed)
  .map(([batch, channels, h, w, s]): Case => {
    const rng = seeded(s);
    const data = BigInt64Array.from({ length: batch * channels * h * w }, (_, i) => {
      const [x, y, plane] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h))];
      const [dx, dy] = [Math.round(rng()), Math.round(rng())];
      return BigInt((plane * 2 * h + 2 * y + dy) * 2 * w + 2 * x + dx);
    });
    const shape = [batch, channels, h, w];
    return {
      inputs: [filled(shape, s, 'any')],
      wiring: [0, { dtype: 'I64', shape, data }],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    };
  });

const shuffled = (rank: number): fc.Arbitrary<number[]> =>
  fc.shuffledSubarray([...Array(rank).keys()], { minLength: rank, maxLength: rank });

export const ARRANGEMENT: Readonly<Record<string, Cases>> = {
  Col2Im: col2Im,
  Compress: compress,
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
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  MaxUnpool: maxUnpool,
  Pad: pad,
  Reshape: withInts((shape) => fc.constantFrom([-1], [0, -1], shape.toReversed(), [1, ...shape])),
  Resize: resize,
  ReverseSequence: reverseSequence,
  Scatter: scatterElements
    .filter(({ attributes }) => attributes?.['reduction'] === 'none')
    .map((c) => ({ ...c, opset: 10 })),
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Slice: slice,
  SpaceToDepth: blocks(false),
  Split: split,
  Squeeze: squeezable,
  Tile: withInts((shape) => fc.array(dim(3), { minLength: shape.length, maxLength: shape.length })),
  TopK: topK,
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
