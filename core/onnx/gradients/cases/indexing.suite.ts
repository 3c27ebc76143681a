/** Cases of operators that pick and place elements by index. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { sizeOf } from '../../../tensors/tensor.ts';
import { f32, seeded } from '../../runtime.suite.ts';
import { along, dim, filled, int64, positive, seed, shapes } from './case.suite.ts';
import type { Case } from './case.suite.ts';

type Cases = fc.Arbitrary<Case>;

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

export const INDEXING: Readonly<Record<string, Cases>> = {
  Compress: compress,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  MaxUnpool: maxUnpool,
  Scatter: scatterElements
    .filter(({ attributes }) => attributes?.['reduction'] === 'none')
    .map((c) => ({ ...c, opset: 10 })),
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  TopK: topK,
};
