import { LIMITS } from '../protocol/limits.ts';
import { err, ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';

/** How much a site's update counts: a workflow's `Fold` is one. */
export interface WeightRule {
  readonly weightBy: 'steps' | 'examples' | 'uniform';
  /** A site counts at most this much, whatever it says. */
  readonly maxWeight?: number;
  /** FLARE's aggregation_weights: site -> factor, 1 for a site that isn't named. */
  readonly aggregationWeights?: { readonly [site: string]: number };
}

/** A count that is no weight but a mistake. */
export interface WeightFault {
  readonly reason: 'weight-too-large';
  /** Where in the result: `meta.NUM_STEPS_CURRENT_ROUND`. */
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

const COUNTS = {
  steps: 'NUM_STEPS_CURRENT_ROUND',
  examples: 'NUM_EXAMPLES_CURRENT_ROUND',
} as const;

/**
 * Weight of a site's update: FLARE's aggregation_weight x NUM_STEPS_CURRENT_ROUND (`weightBy: 'examples'` takes
 * NUM_EXAMPLES_CURRENT_ROUND, `uniform` 1). A count that is missing, non-finite or <= 0 is 1; above 1e9 it is refused.
 * Finite where the factors are at most LIMITS.weightFactor, as fed-avg sees to, and positive if the site's factor is.
 */
export const siteWeight = (
  site: string,
  meta: Readonly<Record<string, unknown>>,
  { weightBy, maxWeight = Infinity, aggregationWeights = {} }: WeightRule,
): Result<number, WeightFault> => {
  const factor = Object.hasOwn(aggregationWeights, site) ? (aggregationWeights[site] ?? 1) : 1;
  if (weightBy === 'uniform') return ok(Math.min(factor, maxWeight));
  const key = COUNTS[weightBy];
  const count = Object.hasOwn(meta, key) ? meta[key] : undefined;
  if (typeof count !== 'number' || !(count > 0) || count === Infinity) {
    return ok(Math.min(factor, maxWeight));
  }
  if (count > LIMITS.stepsPerRound) {
    const expected = `at most ${LIMITS.stepsPerRound}`;
    return err({ reason: 'weight-too-large', path: `meta.${key}`, expected, got: `${count}` });
  }
  return ok(Math.min(factor * count, maxWeight));
};
