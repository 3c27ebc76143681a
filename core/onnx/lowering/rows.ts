import type { Lowering } from './rule.ts';

/** x -> the length of its first axis, a float scalar. */
export const rowsByShape: Lowering = (n, g) => {
  const shape = g.op('Shape', [n.in(0)]);
  const length = g.op('Gather', [shape, g.scalar(0, shape)], { axis: 0 });
  return g.op('Cast', [length], { to: 1 });
};

/**
 * The same on a GPU: the first column is compared with itself and added up, because shapes are integers of the CPU, from
 * where WebGPU would have to fetch them.
 */
export const rowsByCounting: Lowering = (n, g) => {
  const inner = n
    .shape(0)
    .map((_, axis) => axis)
    .slice(1);
  const list = (value: number): string => g.ints(inner.map(() => value));
  const column =
    inner.length === 0 ? n.in(0) : g.op('Slice', [n.in(0), list(0), list(1), g.ints(inner)]);
  const ones = g.op('Cast', [g.op('Equal', [column, column])], { to: 1 });
  return g.reduce('ReduceSum', ones, [0, ...inner], 0);
};
