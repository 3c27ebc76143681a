import type { Emitter } from '../emitter.ts';
import { castLike } from './elementwise.ts';
import type { GradientView, Rule } from './rule.ts';

/**
 * d(x^p) = p x^(p-1) dx + x^p ln(x) dp. As in PyTorch, dX is 0 where p is 0, and dP is 0 where x is 0 (unless p < 0),
 * although their factors aren't finite there.
 */
export const pow: Rule = (n, g) => [
  n.needs(0) ? base(n, g) : null,
  n.needs(1) ? exponent(n, g) : null,
];

const base = (n: GradientView, g: Emitter): string => {
  const x = n.in(0);
  const tensor = n.scope.constants.get(n.in(1));
  const p = tensor?.data.length === 1 ? Number(tensor.data[0]) : undefined;
  if (p === undefined) return anyBase(n, g);
  if (p === 0) return g.op('Mul', [n.grad, g.scalar(0, n.grad)]);
  if (p === 1) return n.grad;
  const lower = p === 2 ? x : p === 3 ? g.op('Mul', [x, x]) : g.op('Pow', [x, g.scalar(p - 1, x)]);
  return g.op('Mul', [n.grad, g.op('Mul', [lower, g.scalar(p, x)])]);
};

const anyBase = (n: GradientView, g: Emitter): string => {
  const [x, given] = [n.in(0), n.in(1)];
  const p = n.type(1).dtype === n.type(0).dtype ? given : castLike(g, given, x);
  const zero = g.scalar(0, p);
  const none = g.op('Equal', [p, zero]);
  // Where p is 0, any other exponent will do: what comes out is multiplied by it.
  const lower = g.op('Where', [none, g.scalar(1, p), g.op('Sub', [p, g.scalar(1, p)])]);
  return g.op('Mul', [n.grad, g.op('Mul', [p, g.op('Pow', [x, spread(n, g, lower)])])]);
};

const exponent = (n: GradientView, g: Emitter): string => {
  const x = n.in(0);
  const zero = g.scalar(0, x);
  const empty = g.op('Equal', [n.out(0), zero]);
  const log = g.op('Log', [g.op('Where', [empty, g.scalar(1, x), x])]);
  return g.op('Mul', [n.grad, g.op('Mul', [n.out(0), log])]);
};

/** As large as the output, unless it is a scalar or fits the last dimensions: WebGPU's Pow broadcasts no further. */
const spread = (n: GradientView, g: Emitter, p: string): string => {
  const [from, to] = [n.shape(1), n.outShape()];
  const trailing = from.every((dim, axis) => dim === to[to.length - from.length + axis]);
  return from.length === 0 || trailing ? p : g.expandLike(p, n.out(0));
};
