/** Reductions. Each input element gets its share of dY, which is put back to the input's rank and spread over it. */
import { isStatic, product } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { reducedAxes } from '../shapes/reduction.ts';
import { castLike, sign } from './elementwise.ts';
import type { GradientView, Rule, Unless } from './rule.ts';

/** A value of the output's shape with the reduced axes put back as 1. */
const kept = (n: GradientView, g: Emitter, y: string): string => {
  const axes = reducedAxes(n);
  return n.int('keepdims', 1) === 1 || axes.length === 0
    ? y
    : g.op('Unsqueeze', [y, g.ints(axes.toSorted((a, b) => a - b))]);
};

/** A rule from dX as a function of dY that broadcasts against x. */
const spread =
  (dx: (n: GradientView, g: Emitter, dy: string) => string): Rule =>
  (n, g) => [dx(n, g, kept(n, g, n.grad)), null];

const mul = (g: Emitter, a: string, b: string): string => g.op('Mul', [a, b]);
const equals = (g: Emitter, a: string, b: string): string => castLike(g, g.op('Equal', [a, b]), a);

// y = sum x: dx = dy
export const sum = spread((n, g, dy) => g.expandLike(dy, n.in(0)));

// y = sum x / count: dx = dy / count
export const mean = spread((n, g, dy) => {
  const cells = product(reducedAxes(n).map((axis) => n.shape(0)[axis] ?? 1));
  const count = isStatic(cells)
    ? g.scalar(cells, n.grad)
    : castLike(g, g.op('Div', [g.op('Size', [n.in(0)]), g.op('Size', [n.out(0)])]), n.grad);
  return g.expandLike(g.op('Div', [dy, count]), n.in(0));
});

// y = max x or min x: dy in equal shares to all that equal it, as PyTorch's amax and amin have it
export const extreme = spread((n, g, dy) => {
  const best = equals(g, n.in(0), kept(n, g, n.out(0)));
  const ties = g.reduce('ReduceSum', best, reducedAxes(n), 1);
  return mul(g, best, g.op('Div', [dy, ties]));
});

// y = product x: dx_i = dy times the product of the others; zeros are counted, and left out of the product
export const prod = spread((n, g, dy) => {
  const axes = reducedAxes(n);
  const [zero, one] = [g.scalar(0, n.grad), g.scalar(1, n.grad)];
  const isZero = g.op('Equal', [n.in(0), zero]);
  const factor = g.op('Where', [isZero, one, n.in(0)]);
  const nonzero = g.reduce('ReduceProd', factor, axes, 1);
  const own = castLike(g, isZero, n.grad);
  const otherZeros = g.op('Sub', [g.reduce('ReduceSum', own, axes, 1), own]);
  const slope = g.op('Div', [mul(g, dy, nonzero), factor]);
  return g.op('Where', [g.op('Equal', [otherZeros, zero]), slope, zero]);
});

// y = sum |x|: dx = sign(x) dy
export const l1 = spread((n, g, dy) => mul(g, dy, sign(n.in(0), g)));

// y = sqrt(sum x^2): dx = x dy / y, and 0 where y is
export const l2 = spread((n, g, dy) => {
  const y = kept(n, g, n.out(0));
  const nowhere = g.op('Equal', [y, g.scalar(0, y)]);
  return mul(g, n.in(0), g.op('Div', [dy, g.op('Where', [nowhere, g.scalar(1, y), y])]));
});

// y = ln sum x: dx = dy / e^y
export const logSum = spread((n, g, dy) => {
  const share = mul(g, dy, g.op('Exp', [g.op('Neg', [kept(n, g, n.out(0))])]));
  return g.expandLike(share, n.in(0));
});

// y = ln sum e^x: dx = e^(x - y) dy
export const logSumExp = spread((n, g, dy) =>
  mul(g, dy, g.op('Exp', [g.op('Sub', [n.in(0), kept(n, g, n.out(0))])])),
);

// y = sum x^2: dx = 2x dy
export const sumSquare = spread((n, g, dy) => mul(g, mul(g, n.in(0), g.scalar(2, dy)), dy));

/** Whether such a node still takes roots, logarithms and so on, the standard and runtimes disagree. */
export const reducesNothing: Unless = (n) =>
  n.int('noop_with_empty_axes', 0) === 1 && reducedAxes(n).length === 0
    ? 'it names no axes, and with noop_with_empty_axes runtimes disagree on what that means'
    : undefined;
