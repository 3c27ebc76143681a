import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import type { Rule, Unless } from './rule.ts';

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

// what was added is cut off again
export const pad: Rule = (n, g) => {
  const rank = n.rank(0);
  const pads = n.intsAt(1, 'pads') ?? [];
  const axes = n.shape(0).flatMap((_, axis) => (pads[axis] || pads[rank + axis] ? [axis] : []));
  const starts = axes.map((axis) => pads[axis] ?? 0);
  // Counted from the end where nothing is known of the length.
  const ends = axes.map((axis) => -(pads[rank + axis] ?? 0) || Number.MAX_SAFE_INTEGER);
  const dx =
    axes.length === 0
      ? n.grad
      : g.op('Slice', [n.grad, g.ints(starts), g.ints(ends), g.ints(axes)]);
  return [dx, ...n.proto.input.slice(1).map(() => null)];
};

export const padsOtherwise: Unless = (n) => {
  if (n.text('mode', 'constant') !== 'constant') return 'only constant padding is differentiated';
  const pads = n.known(1);
  if (pads === undefined || n.has(3)) return 'its pads must be constants, for all axes';
  return pads.every((by) => isStatic(by) && by >= 0) ? undefined : 'its pads must not be negative';
};

/** Where a slice lies along each of its axes: from, to, and the length there. */
const bounds = (
  n: NodeView,
): readonly { axis: number; from: number; to: number; dim: number }[] => {
  const shape = n.shape(0);
  const starts = numbers(n.known(1));
  const axes = fromFront(n.has(3) ? numbers(n.known(3)) : starts.map((_, i) => i), shape.length);
  const ends = numbers(n.known(2));
  return axes.map((axis, i) => {
    const dim = n.number(shape[axis] ?? 0, 'because the gradient is put back there');
    const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + dim : at, 0), dim);
    return { axis, dim, from: clamp(starts[i] ?? 0), to: clamp(ends[i] ?? dim) };
  });
};

const numbers = (dims: readonly Dim[] | undefined): number[] => (dims ?? []).map(Number);

// zeros around what was cut out
export const slice: Rule = (n, g) => {
  const rank = n.rank(0);
  const pads = Array.from({ length: 2 * rank }, () => 0);
  for (const { axis, from, to, dim } of bounds(n)) {
    pads[axis] = from;
    pads[rank + axis] = dim - to;
  }
  return [g.op('Pad', [n.grad, g.ints(pads)]), ...n.proto.input.slice(1).map(() => null)];
};

export const slicesOtherwise: Unless = (n) => {
  if (n.has(4) && (n.known(4) ?? [0]).some((step) => step !== 1))
    return 'only steps of 1 are differentiated';
  const all = [n.known(1), n.known(2), n.has(3) ? n.known(3) : []];
  return all.every((list) => list?.every(isStatic)) ? undefined : 'its bounds must be constants';
};
