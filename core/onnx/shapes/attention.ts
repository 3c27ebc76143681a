import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import type { NodeView } from '../node-view.ts';
import type { ShapeRule } from './rule.ts';

/** [batch, heads, steps, size] of Q, K or V, in three axes or four. */
const headsOf = (n: NodeView, input: number, attribute: string): readonly Dim[] => {
  const shape = n.shape(input);
  if (shape.length === 4) return shape;
  const [batch = 1, steps = 1, all = 1] = shape;
  const heads = n.int(attribute, 1);
  return [batch, heads, steps, n.number(all, 'because it is laid out in heads') / heads];
};

/** Y, the keys and values with those of the past before them, and the scores. */
export const attention: ShapeRule = (n) => {
  const { dtype } = n.type(0);
  const [batch = 1, heads = 1, steps = 1] = headsOf(n, 0, 'q_num_heads');
  const [, own = 1, added = 1, size = 1] = headsOf(n, 1, 'kv_num_heads');
  const wide = headsOf(n, 2, 'kv_num_heads')[3] ?? 1;
  const past = n.has(4) ? (n.shape(4)[2] ?? 0) : 0;
  const total =
    past === 0 ? added : isStatic(past) && isStatic(added) ? past + added : n.unknown('keys');
  const flat = isStatic(heads) && isStatic(wide) ? heads * wide : n.unknown(2);
  return [
    { dtype, shape: n.rank(0) === 4 ? [batch, heads, steps, wide] : [batch, steps, flat] },
    { dtype, shape: [batch, own, total, size] },
    { dtype, shape: [batch, own, total, wide] },
    { dtype, shape: [batch, heads, steps, total] },
  ];
};
