import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';

/** Sums a gradient back to the shape that its value had before it was broadcast. */
export const unbroadcast = (g: Emitter, node: string, grad: string, value: string): string => {
  const from = g.types.get(grad)?.shape;
  const to = g.types.get(value)?.shape;
  if (from === undefined || to === undefined) {
    return refuse({ reason: 'unknown_shape', node, value: from === undefined ? grad : value });
  }
  const added = from.length - to.length;
  const summed: number[] = [];
  from.forEach((dim, axis) => {
    const own = to[axis - added];
    if (own === dim) return;
    if (own !== undefined && own !== 1) {
      refuse({
        reason: 'symbolic_dimension',
        node,
        dim: own,
        why: `because its gradient has ${dim} there`,
      });
    }
    summed.push(axis);
  });
  if (summed.length === 0) return grad;
  const total = g.reduce('ReduceSum', grad, summed, added === summed.length ? 0 : 1);
  return added > 0 && added !== summed.length ? g.reshape(total, to, value) : total;
};
