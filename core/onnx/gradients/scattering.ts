import type { Emitter } from '../emitter.ts';
import { castLike } from './elementwise.ts';
import { zerosLike } from './placing.ts';
import type { GradientView, Rule } from './rule.ts';

/**
 * y = data with `updates` u at `indices`, put in by one of:
 * - none: d data = dY with zeros there, du = dY there
 * - add: d data = dY, du = dY there
 * - mul: as for a product of data and its updates; see `product`
 * - max, min: dY in equal shares to all that equal the result, as PyTorch has it
 */
export const scatterElements: Rule = (n, g) => {
  const axis = n.axis('axis', 0, n.rank(0));
  const reduction = n.text('reduction', 'none');
  const there = (x: string): string => g.op('GatherElements', [x, n.in(1)], { axis });
  const scatter = (into: string, values: string, how: string): string =>
    g.op('ScatterElements', [into, n.in(1), values], { axis, reduction: how });
  if (reduction === 'mul') return product(n, g, there, scatter);
  if (reduction === 'max' || reduction === 'min') return extreme(n, g, there, scatter);
  const replaced = reduction === 'none' && n.needs(0);
  return [
    replaced ? scatter(n.grad, zerosLike(g, n.in(2)), 'none') : n.grad,
    null,
    n.needs(2) ? there(n.grad) : null,
  ];
};

type There = (x: string) => string;
type Scatter = (into: string, values: string, how: string) => string;

const equals = (g: Emitter, a: string, b: string): string => castLike(g, g.op('Equal', [a, b]), a);

/** Each factor's derivative is the product of the others: zeros are counted, and left out of the product. */
const product = (
  n: GradientView,
  g: Emitter,
  there: There,
  scatter: Scatter,
): (string | null)[] => {
  const [data, updates] = [n.in(0), n.in(2)];
  const zero = g.scalar(0, updates);
  const one = g.scalar(1, updates);
  const isZero = g.op('Equal', [updates, zero]);
  const factor = g.op('Where', [isZero, one, updates]);
  const others = scatter(g.expandLike(one, data), updates, 'mul');
  const nonzero = scatter(data, factor, 'mul');
  const zeros = scatter(zerosLike(g, data), castLike(g, isZero, updates), 'add');
  const otherZeros = g.op('Sub', [there(zeros), castLike(g, isZero, updates)]);
  const slope = g.op('Div', [there(g.op('Mul', [n.grad, nonzero])), factor]);
  return [
    n.needs(0) ? g.op('Mul', [n.grad, others]) : null,
    null,
    n.needs(2) ? g.op('Where', [g.op('Equal', [otherZeros, zero]), slope, zero]) : null,
  ];
};

const extreme = (
  n: GradientView,
  g: Emitter,
  there: There,
  scatter: Scatter,
): (string | null)[] => {
  const [data, updates, y] = [n.in(0), n.in(2), n.out(0)];
  const kept = equals(g, data, y);
  const taken = equals(g, updates, there(y));
  const share = g.op('Div', [n.grad, scatter(kept, taken, 'add')]);
  return [
    n.needs(0) ? g.op('Mul', [share, kept]) : null,
    null,
    n.needs(2) ? g.op('Mul', [there(share), taken]) : null,
  ];
};
