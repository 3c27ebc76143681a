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

// each input gets its slice of dY
export const concat: Rule = (n, g) => {
  const axis = n.axis('axis', 0, n.rank(0));
  let start = 0;
  return n.proto.input.map((_, i) => {
    const from = start;
    start += n.number(n.shape(i)[axis] ?? 0, 'because the gradient is cut there');
    return n.needs(i)
      ? g.op('Slice', [n.grad, g.ints([from]), g.ints([start]), g.ints([axis])])
      : null;
  });
};

// dY as it is: the reverse walk sums it over what was repeated
export const expand: Rule = (n) => [n.grad, null];
