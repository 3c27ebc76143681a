import type { Rng } from '../filter.ts';
import { mapStatistics } from './cleanser.ts';
import type { Cleanser } from './cleanser.ts';

/** How far 0 is moved, before noise: nothing can be scaled there. */
const NEAR_ZERO = 1e-5;

/**
 * Moves minima down and maxima up by a random part of themselves, between the two levels, so that global bounds still hold
 * and nobody's extreme value is told. FLARE's AddNoiseToMinMax(min_noise_level, max_noise_level).
 */
export const minMaxNoise =
  (least: number, most: number): Cleanser =>
  (statistics, rng) =>
    mapStatistics(statistics, (value, [statistic]) => {
      if (typeof value !== 'number') return value;
      if (statistic === 'min') return lower(value, level(rng, least, most));
      if (statistic === 'max') return higher(value, level(rng, least, most));
      return value;
    });

const level = (rng: Rng, least: number, most: number): number => least + (most - least) * rng();

const lower = (min: number, r: number): number => {
  if (min === 0) return -(1 - r) * NEAR_ZERO;
  return min > 0 ? min * (1 - r) : min * (1 + r);
};

const higher = (max: number, r: number): number => {
  if (max === 0) return (1 + r) * NEAR_ZERO;
  return max > 0 ? max * (1 + r) : max * (1 - r);
};
