import { between } from './uniform.ts';
import type { Uniform } from './uniform.ts';

/** A standard normal number: three draws, always, so that the k-th number doesn't depend on how many are asked for at once. Box and Muller 1958, the cosine half. */
export const normal = (uniform: Uniform): number => {
  const radius = Math.sqrt(-2 * Math.log(between(uniform)));
  return radius * Math.cos(2 * Math.PI * uniform());
};

/** A Laplace number around 0 with variance 2 scale^2: two draws. By the inverse of its distribution function. */
export const laplace = (uniform: Uniform, scale: number): number => {
  const p = between(uniform);
  return p < 0.5 ? scale * Math.log(2 * p) : -scale * Math.log(2 * (1 - p));
};
