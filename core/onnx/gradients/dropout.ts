import type { Rule, Unless } from './rule.ts';

/** In inference mode, or with ratio 0, y = x. Where a mask is drawn, training/dropout.ts stands in the node's place. */
export const dropout: Rule = (n) => [n.grad, null, null];

export const drawsMask: Unless = (n) => {
  if (!n.has(2)) return undefined;
  const training = n.scope.constants.get(n.in(2))?.data[0] ?? 1;
  const ratio = n.has(1) ? (n.scope.constants.get(n.in(1))?.data[0] ?? 1) : 0.5;
  return Number(training) !== 0 && Number(ratio) !== 0
    ? 'it draws a mask in training mode; export the model in evaluation mode, or with ratio 0'
    : undefined;
};
