import type { Rule } from './rule.ts';

// y = softmax(x): dx = y (dy - sum(y dy)) along the axis
export const softmax: Rule = (n, g) => {
  const axis = n.axis('axis', -1, n.rank(0));
  const inner = g.reduce('ReduceSum', g.op('Mul', [n.grad, n.out(0)]), [axis], 1);
  return [g.op('Mul', [n.out(0), g.op('Sub', [n.grad, inner])])];
};

// y = log softmax(x): dx = dy - e^y sum(dy) along the axis
export const logSoftmax: Rule = (n, g) => {
  const axis = n.axis('axis', -1, n.rank(0));
  const total = g.reduce('ReduceSum', n.grad, [axis], 1);
  return [g.op('Sub', [n.grad, g.op('Mul', [g.op('Exp', [n.out(0)]), total])])];
};
