import type { Rewrite } from './rule.ts';

/** In parts, which together take the runtime half as long as its own kernel, compiled to WebAssembly. */
export const layerNormalization: Rewrite = (n, g) => {
  const [x, scale] = [n.in(0), n.in(1)];
  if (n.type(0).dtype !== 'F32') return undefined;
  const first = n.axis('axis', -1, n.rank(0));
  const axes = Array.from({ length: n.rank(0) - first }, (_, i) => first + i);
  const mean = g.reduce('ReduceMean', x, axes, 1);
  const centred = g.op('Sub', [x, mean]);
  const variance = g.reduce('ReduceMean', g.op('Mul', [centred, centred]), axes, 1);
  const epsilon = g.scalar(n.float('epsilon', 1e-5), x);
  const inverse = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [variance, epsilon])])]);
  if (n.out(1) !== '') g.alias(n.out(1), mean);
  if (n.out(2) !== '') g.alias(n.out(2), inverse);
  const scaled = g.op('Mul', [g.op('Mul', [centred, inverse]), scale]);
  return n.has(2) ? g.op('Add', [scaled, n.in(2)]) : scaled;
};
