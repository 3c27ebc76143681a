import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import type { ShapeRule } from './rule.ts';

/** Axes that a Reduce* node reduces, from the front; all of them where none are named. */
export const reducedAxes = (n: NodeView): readonly number[] => {
  const rank = n.rank(0);
  const axes = n.intsAt(1, 'axes') ?? [];
  if (axes.length > 0) return fromFront(axes, rank);
  return n.int('noop_with_empty_axes', 0) === 1 ? [] : n.shape(0).map((_, axis) => axis);
};

export const reduce: ShapeRule = (n) => {
  const axes = new Set(reducedAxes(n));
  const keep = n.int('keepdims', 1) === 1;
  const shape = n.shape(0).flatMap((dim, axis) => (!axes.has(axis) ? [dim] : keep ? [1] : []));
  return [{ dtype: n.type(0).dtype, shape }];
};

/** ArgMax and ArgMin. */
export const argument: ShapeRule = (n) => {
  const reduced = n.axis('axis', 0, n.rank(0));
  const keep = n.int('keepdims', 1) === 1;
  const shape = n.shape(0).flatMap((dim, axis) => (axis !== reduced ? [dim] : keep ? [1] : []));
  return [{ dtype: 'I64', shape }];
};

/** The number of the first maximum: the axis stays, as 1. */
export const firstMaximum: ShapeRule = (n) => [
  { dtype: 'I32', shape: n.shape(0).with(n.axis('axis', 0, n.rank(0)), 1) },
];

/** A float scalar. */
export const count: ShapeRule = () => [{ dtype: 'F32', shape: [] }];
