import type { Emitter } from '../emitter.ts';
import { sign } from './elementwise.ts';
import { standardized } from './normalization.ts';
import type { Rule } from './rule.ts';

/** 1 / x, and 0 where x is 0: a length of nothing has no slope. */
const inverse = (g: Emitter, x: string): string => {
  const empty = g.op('Equal', [x, g.scalar(0, x)]);
  const zero = g.scalar(0, x);
  return g.op('Where', [empty, zero, g.op('Reciprocal', [x])]);
};

/**
 * y = x / s, s the p-norm along an axis: dx = (dy - t sum(dy y)) / s, where t is ds/dx: y for p = 2, sign(x) for p = 1.
 */
export const lpNormalization: Rule = (n, g) => {
  const axis = n.axis('axis', -1, n.rank(0));
  const p = n.int('p', 2);
  const x = n.in(0);
  const s = g.reduce(p === 1 ? 'ReduceL1' : 'ReduceL2', x, [axis], 1);
  const total = g.reduce('ReduceSum', g.op('Mul', [n.grad, n.out(0)]), [axis], 1);
  const along = g.op('Mul', [p === 1 ? sign(x, g) : n.out(0), total]);
  return [g.op('Mul', [g.op('Sub', [n.grad, along]), inverse(g, s)])];
};

/** y = (x - mean) / std over some axes. */
export const meanVarianceNormalization: Rule = (n, g) => {
  const rank = n.rank(0);
  const axes = (n.ints('axes') ?? [0, 2, 3]).map((axis) => (axis < 0 ? axis + rank : axis));
  const x = n.in(0);
  const centred = g.op('Sub', [x, g.reduce('ReduceMean', x, axes, 1)]);
  const variance = g.reduce('ReduceMean', g.op('Mul', [centred, centred]), axes, 1);
  const r = inverse(g, g.op('Sqrt', [variance]));
  return [standardized(g, n.grad, n.out(0), r, axes)];
};
