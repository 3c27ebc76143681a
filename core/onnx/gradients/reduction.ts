import { isStatic, product } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { reducedAxes } from '../shapes/reduction.ts';
import { castLike } from './elementwise.ts';
import type { GradientView, Rule } from './rule.ts';

/** dY with the reduced axes put back as 1. */
const kept = (n: GradientView, g: Emitter, x: string): string => {
  const axes = reducedAxes(n);
  return n.int('keepdims', 1) === 1 || axes.length === 0
    ? x
    : g.op('Unsqueeze', [x, g.ints([...axes].toSorted((a, b) => a - b))]);
};

// every summand gets dY
export const reduceSum: Rule = (n, g) => [g.expandLike(kept(n, g, n.grad), n.in(0)), null];

// every summand gets dY / count
export const reduceMean: Rule = (n, g) => {
  const shape = n.shape(0);
  const cells = product(reducedAxes(n).map((axis) => shape[axis] ?? 1));
  const count = isStatic(cells)
    ? g.scalar(cells, n.grad)
    : castLike(g, g.op('Div', [g.op('Size', [n.in(0)]), g.op('Size', [n.out(0)])]), n.grad);
  return [g.expandLike(kept(n, g, g.op('Div', [n.grad, count])), n.in(0)), null];
};
