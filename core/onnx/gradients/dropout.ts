import { refuse } from '../fault.ts';
import type { Rule } from './rule.ts';

/** In inference mode, or with ratio 0, y = x. A mask would need a seed that the program doesn't take yet. */
export const dropout: Rule = (n) => {
  const mode = n.scope.constants.get(n.in(2))?.data[0];
  const ratio = n.has(1) ? n.scope.constants.get(n.in(1))?.data[0] : 0.5;
  if (n.has(2) && Number(mode ?? 1) !== 0 && Number(ratio ?? 1) !== 0) {
    refuse({
      reason: 'blocked_operators',
      operators: [
        {
          op: 'Dropout',
          node: n.label,
          path: [n.label],
          why: 'it draws a mask in training mode; export the model in evaluation mode, or with ratio 0',
        },
      ],
    });
  }
  return [n.grad, null, null];
};
