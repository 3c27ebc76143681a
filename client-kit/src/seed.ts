import { sha256 } from './digest.ts';

/** Uniform numbers in [0, 1). */
export type Rng = () => number;

/** What a random choice is for; it is a function of these alone, so a killed site repeats its task bit for bit. */
export interface SeedParts {
  readonly seed: number;
  readonly site: string;
  readonly workflow: string;
  readonly round: number;
  readonly purpose: string;
}

/** A generator for one purpose: xoshiro128** (Blackman and Vigna, 2018) seeded with SHA-256 of the parts. */
export const rngOf = async ({ seed, site, workflow, round, purpose }: SeedParts): Promise<Rng> => {
  const text = JSON.stringify([seed, site, workflow, round, purpose]);
  const hash = await sha256(new TextEncoder().encode(text));
  return xoshiro128(new Uint32Array(hash.buffer, 0, 4));
};

/** xoshiro128**, the top 32 bits of a uniform number a call. Takes the state over. */
export const xoshiro128 = (s: Uint32Array): Rng => {
  let [a = 0, b = 0, c = 0, d = 1] = s;
  return () => {
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result / 2 ** 32;
  };
};

/** Shuffles in place (Fisher-Yates). */
export const shuffle = (items: Uint32Array, rng: Rng): void => {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(rng() * (i + 1));
    const kept = items[i] as number;
    items[i] = items[j] as number;
    items[j] = kept;
  }
};
