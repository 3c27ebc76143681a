import { expect, test } from 'vitest';
import { Emitter } from './emitter.ts';

test.each([
  ['F32', 0.5],
  ['F16', 0x3800],
  ['BF16', 0x3f00],
] as const)('a scalar beside %s holds one half', (dtype, held) => {
  const g = new Emitter(17);
  const like = g.input('x', { dtype, shape: [2] });
  const scalar = g.constants.get(g.scalar(0.5, like));
  expect([scalar?.dtype, scalar?.data[0]]).toEqual([dtype, held]);
});
