import { dtypeOf } from '../element-type.ts';
import { broadcastShapes } from '../broadcast.ts';
import type { Dim } from '../dim.ts';
import type { NodeView } from '../node-view.ts';
import type { ShapeRule } from './rule.ts';

const broadcasted = (n: NodeView, from: readonly number[]): readonly Dim[] => {
  const shapes = from.map((i) => n.shape(i));
  return (
    broadcastShapes(...shapes) ?? n.malformed(`shapes ${JSON.stringify(shapes)} don't broadcast`)
  );
};

const all = (n: NodeView): number[] => n.proto.input.map((_, i) => i);

/** Like the first input. */
export const same: ShapeRule = (n) => [n.type(0)];

/** Broadcast of all inputs, in the first one's dtype. */
export const broadcast: ShapeRule = (n) => [
  { dtype: n.type(0).dtype, shape: broadcasted(n, all(n)) },
];

/** Broadcast of all inputs, as truth values. */
export const comparison: ShapeRule = (n) => [{ dtype: 'BOOL', shape: broadcasted(n, all(n)) }];

export const where: ShapeRule = (n) => [
  { dtype: n.type(1).dtype, shape: broadcasted(n, [0, 1, 2]) },
];

export const cast: ShapeRule = (n) => {
  const to = n.int('to', 0);
  return [{ dtype: dtypeOf(to) ?? n.malformed(`element type ${to}`), shape: n.shape(0) }];
};

/** In the second input's dtype. */
export const castLike: ShapeRule = (n) => [{ dtype: n.type(1).dtype, shape: n.shape(0) }];

/** A truth value for each element. */
export const truth: ShapeRule = (n) => [{ dtype: 'BOOL', shape: n.shape(0) }];

export const dropout: ShapeRule = (n) => [n.type(0), { dtype: 'BOOL', shape: n.shape(0) }];
