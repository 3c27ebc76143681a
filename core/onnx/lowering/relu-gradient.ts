import type { Lowering } from './rule.ts';

/** (y, dy) -> dx: y is never negative, so its sign is the mask. The CPU multiplies faster than it chooses. */
export const reluBySign: Lowering = (n, g) => g.op('Mul', [n.in(1), g.op('Sign', [n.in(0)])]);

/** (y, dy) -> dx without Sign, for which there is no WebGPU kernel. */
export const reluByChoice: Lowering = (n, g) => {
  const zero = g.scalar(0, n.in(1));
  return g.op('Where', [g.op('Greater', [n.in(0), zero]), n.in(1), zero]);
};
