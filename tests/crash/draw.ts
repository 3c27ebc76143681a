import { createHash } from 'node:crypto';
import { xoshiro128 } from '../../client-kit/src/seed.ts';

/** Seeded uniform numbers in [0, 1): the same parts give the same ones, in any process. */
export const drawOf = (...parts: readonly (string | number)[]): (() => number) => {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest();
  return xoshiro128(new Uint32Array(new Uint8Array(hash).buffer, 0, 4));
};
