import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import type { Rule } from './rule.ts';

/** Flatten, Reshape, Squeeze, Unsqueeze: the same elements in the input's shape. */
export const rearranged: Rule = (n, g) => [
  g.reshape(n.grad, n.shape(0), n.in(0)),
  ...n.proto.input.slice(1).map(() => null),
];

// the inverse permutation
export const transpose: Rule = (n, g) => {
  const rank = n.rank(0);
  const order = n.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  return [g.op('Transpose', [n.grad], { perm: order.map((_, axis) => order.indexOf(axis)) })];
};

// dY as it is: the reverse walk sums it over what was repeated
export const expand: Rule = (n) => [n.grad, null];

// y repeats x along each axis: the repeats of dY laid out along axes of their own, and summed
export const tile: Rule = (n, g) => {
  const shape = n.shape(0);
  const repeats = n.known(1);
  const axes = shape.map((_, axis) => 2 * axis);
  const sum = (apart: string): string =>
    g.reshape(g.reduce('ReduceSum', apart, axes, 0), shape, n.in(0));
  const apart = repeats && shape.flatMap((dim, axis): Dim[] => [repeats[axis] ?? 1, dim]);
  if (apart !== undefined && apart.filter((dim) => !isStatic(dim)).length < 2) {
    return [sum(g.reshape(n.grad, apart)), null];
  }
  const pairs = [n.in(1), g.op('Shape', [n.in(0)])].map((x) => g.op('Unsqueeze', [x, g.ints([1])]));
  const lengths = g.op('Reshape', [g.op('Concat', pairs, { axis: 1 }), g.ints([2 * shape.length])]);
  return [sum(g.op('Reshape', [n.grad, lengths])), null];
};

/** Blocks of channels became blocks of cells: the cells of a block on axes of their own, and back among the channels. */
export const depthToSpace: Rule = (n, g) => {
  const b = n.int('blocksize', 1);
  const channels = n.number(n.shape(0)[1] ?? 1, 'because its channels are put in order');
  const along = (axis: number): string => g.op('Shape', [n.in(0)], { start: axis, end: axis + 1 });
  const [groups, cells] = [g.ints([channels / (b * b)]), g.ints([b])];
  const apart = [along(0), groups, along(2), cells, along(3), cells];
  const blocks = g.op('Reshape', [n.grad, g.op('Concat', apart, { axis: 0 })]);
  // [N, C, h, b, w, b]: CRD counts channels before the cells of a block, DCR after.
  const perm = n.text('mode', 'DCR') === 'CRD' ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
  return [g.reshape(g.op('Transpose', [blocks], { perm }), n.shape(0), n.in(0))];
};

export const spaceToDepth: Rule = (n, g) => [
  g.op('DepthToSpace', [n.grad], { blocksize: n.int('blocksize', 1), mode: 'DCR' }),
];

// the same triangle of dY
export const trilu: Rule = (n, g) => [
  g.op('Trilu', [n.grad, ...n.proto.input.slice(1)], { upper: n.int('upper', 1) }),
  null,
];

// y_i = sum of x_j for j <= i: dx_j = sum of dy_i for i >= j
export const cumSum: Rule = (n, g) => {
  const attributes = { exclusive: n.int('exclusive', 0), reverse: 1 - n.int('reverse', 0) };
  return [g.op('CumSum', [n.grad, n.in(1)], attributes), null];
};

// its own inverse
export const reverseSequence: Rule = (n, g) => {
  const attributes = { batch_axis: n.int('batch_axis', 1), time_axis: n.int('time_axis', 0) };
  return [g.op('ReverseSequence', [n.grad, n.in(1)], attributes), null];
};
