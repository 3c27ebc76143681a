import type { Emitter } from '../emitter.ts';
import type { Rewrite } from './rule.ts';

/*
 * The runtime's Relu and Clip, compiled to WebAssembly, branch on each element, and mispredict half of them: twenty times
 * slower than Max and Min, which have no branches. A convolution has a Relu of its own, without any.
 */

export const relu: Rewrite = (n, g) =>
  maker(g, n.in(0)) === 'Conv' ? undefined : g.op('Max', [n.in(0), g.scalar(0, n.in(0))]);

export const clip: Rewrite = (n, g) => {
  if (!(n.type(0).dtype === 'F32' || n.type(0).dtype === 'F64')) return undefined;
  const above = n.has(1) ? g.op('Max', [n.in(0), n.in(1)]) : n.in(0);
  return n.has(2) ? g.op('Min', [above, n.in(2)]) : above;
};

const maker = (g: Emitter, x: string): string | undefined =>
  g.nodes.find(({ output }) => output.includes(x))?.opType;
