/** Uniform random numbers in [0, 1), of 32 bits or more. */
export type Uniform = () => number;

const HALF = 2 ** 26;

/**
 * A uniform number strictly between 0 and 1, of 52 bits: two draws. So a logarithm of it is finite, and the tails that are
 * made of it reach to where they weigh 2^-53.
 */
export const between = (uniform: Uniform): number =>
  (Math.floor(uniform() * HALF) * HALF + Math.floor(uniform() * HALF) + 0.5) / (HALF * HALF);
