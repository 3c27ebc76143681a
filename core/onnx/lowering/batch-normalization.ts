import { float } from '../attribute.ts';
import type { Lowering } from './rule.ts';

/** With the batch's statistics as [1, C, 1, ...]: one pass of the operator's own inference form. */
export const batchNormalization: Lowering = (n, g) => {
  const flat = (x: string): string => g.op('Reshape', [x, g.ints([-1])]);
  const inputs = [n.in(0), n.in(1), n.in(2), flat(n.in(3)), flat(n.in(4))];
  return g.op('BatchNormalization', inputs, { epsilon: float(n.float('epsilon', 1e-5)) });
};
