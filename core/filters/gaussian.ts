import * as v from 'valibot';
import { gaussianSigma } from '../privacy/gaussian-mechanism.ts';
import { normal } from '../privacy/noise.ts';
import { mapFloat64 } from '../tensors/elements.ts';
import { Positive } from './args.ts';
import { defineFilter } from './define.ts';
import { isLearned } from './learned.ts';
import { normScan } from './norm-scan.ts';
import { Others, refuseOthers } from './unprotected.ts';

const Args = v.pipe(
  v.strictObject({
    /** Longest update: an L2 norm over all trainable tensors. */
    clip: Positive,
    epsilon: v.optional(Positive),
    delta: v.optional(v.pipe(Positive, v.ltValue(1, 'a number < 1'))),
    /** The noise's standard deviation itself, in place of epsilon and delta. */
    sigma: v.optional(Positive),
    /**
     * What epsilon is about: `replace`, any two updates look alike (they differ by 2 clip at most); `add-remove`, an update
     * looks like none (clip): half the noise.
     */
    adjacency: v.optional(v.picklist(['replace', 'add-remove']), 'replace'),
    others: Others,
  }),
  v.forward(
    v.check(
      ({ epsilon, sigma }) => (epsilon === undefined) !== (sigma === undefined),
      'epsilon with delta, or sigma',
    ),
    ['epsilon'],
  ),
  v.forward(
    v.check(
      ({ epsilon, delta }) => (epsilon === undefined) === (delta === undefined),
      'epsilon with delta, or sigma',
    ),
    ['delta'],
  ),
);

/**
 * Makes each update (epsilon, delta)-differentially private by itself, before it leaves: clips its L2 norm to `clip`, then
 * adds Gaussian noise to every trainable element, of the standard deviation that the analytic Gaussian mechanism asks
 * (Balle and Wang 2018). The guarantee is for one update, its tensors only: over rounds it adds up, and metrics are not
 * in it. It is of real numbers; what float64 leaks of them (Mironov 2012) is not covered. The meta's
 * `gaussian_privacy_budget` says what was spent.
 */
export const gaussian = defineFilter(
  { name: 'gaussian', needs: 'DIFF', on: { site: ['result'], server: [] }, impliesPartial: false },
  Args,
  ({ clip, epsilon, delta, sigma: given, adjacency, others }) => {
    const sensitivity = adjacency === 'replace' ? 2 * clip : clip;
    const sigma =
      epsilon !== undefined && delta !== undefined
        ? gaussianSigma({ epsilon, delta }, sensitivity)
        : (given as number);
    return {
      secret: true,
      about: (subject) => refuseOthers(subject, others),
      scan: {
        ...normScan,
        meta: () => ({
          gaussian_privacy_budget: {
            ...(epsilon !== undefined && { epsilon, delta, adjacency }),
            sigma,
            clip,
          },
        }),
      },
      map: (chunk, squares: number, rng) => {
        if (!isLearned(chunk)) return chunk.data;
        const scale = Math.min(1, clip / Math.sqrt(squares));
        const { dtype, data } = chunk;
        return mapFloat64(dtype, data, dtype, (x) => x * scale + sigma * normal(rng));
      },
    };
  },
);
