import type { Lowering } from './rule.ts';

/** x -> the number of its first maximum along an axis, int32; the axis stays, as 1. */
export const firstMaximum: Lowering = (n, g) => {
  const axis = n.axis('axis', 0, n.rank(0));
  return g.op('Cast', [g.op('ArgMax', [n.in(0)], { axis, keepdims: 1 })], { to: 6 });
};

/** The same without int64, which WebGPU's kernels don't convert: the least number of those that equal the maximum. */
export const firstMaximumByNumber: Lowering = (n, g) => {
  const axis = n.axis('axis', 0, n.rank(0));
  const count = n.number(n.shape(0)[axis] ?? 1, 'because its elements are numbered');
  const numbers = g.constant({
    dtype: 'I32',
    shape: [
      count,
      ...n
        .shape(0)
        .slice(axis + 1)
        .map(() => 1),
    ],
    data: Int32Array.from({ length: count }, (_, i) => i),
  });
  const isMost = g.op('Equal', [n.in(0), g.reduce('ReduceMax', n.in(0), [axis], 1)]);
  const candidates = g.op('Where', [isMost, numbers, g.scalar(count, numbers)]);
  return g.reduce('ReduceMin', candidates, [axis], 1);
};
