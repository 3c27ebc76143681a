import { createHash } from 'node:crypto';
import { xoshiro128 } from '../client-kit/src/seed.ts';
import type { Rng } from '../client-kit/src/seed.ts';

/** Uniform numbers in [0, 1) that depend on the seed and the purpose alone. */
export const randomOf = (seed: number, purpose: string): Rng => {
  const hash = createHash('sha256')
    .update(JSON.stringify(['demo', seed, purpose]))
    .digest();
  return xoshiro128(Uint32Array.from({ length: 4 }, (_, i) => hash.readUInt32LE(4 * i)));
};

const normal = (random: Rng): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** A gamma variate of the given shape and scale 1 (Marsaglia and Tsang, 2000; below 1 by their boost). */
const gamma = (shape: number, random: Rng): number => {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
};

/** A point of the symmetric Dirichlet distribution: `n` shares that add up to 1. A small `alpha` makes them uneven. */
export const dirichlet = (n: number, alpha: number, random: Rng): number[] => {
  const draws = Array.from({ length: n }, () => Math.max(gamma(alpha, random), Number.MIN_VALUE));
  const total = draws.reduce((sum, draw) => sum + draw, 0);
  return draws.map((draw) => draw / total);
};

/** The numbers 0 to n - 1 in random order. */
export const shuffled = (n: number, random: Rng): number[] => {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
};
