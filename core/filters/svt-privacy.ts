import * as v from 'valibot';
import { laplace } from '../privacy/noise.ts';
import { sparseVector } from '../privacy/sparse-vector.ts';
import { fromFloat64, toFloat64 } from '../tensors/elements.ts';
import { Positive } from './args.ts';
import { defineFilter } from './define.ts';
import { isLearned } from './learned.ts';
import { startSelection, visitSelection, endPass } from './svt-selection.ts';
import { Others, refuseOthers } from './unprotected.ts';

/** Passes after which so few elements are above the threshold that there is no hope. */
const MOST_PASSES = 1000;

const adds = (a: number, b: number, sum: number): boolean =>
  Math.abs(a + b - sum) <= 1e-8 + 1e-5 * sum;

const Args = v.pipe(
  v.strictObject({
    /** Of all elements, how many are released. */
    fraction: v.optional(v.pipe(Positive, v.maxValue(1, 'a number <= 1')), 0.1),
    /** For finding them. */
    epsilon: v.optional(Positive, 0.1),
    /** Release noise: epsilonRelease is this times the elements released, unless given. */
    noiseVar: v.optional(Positive, 0.1),
    gamma: v.optional(Positive, 1e-5),
    tau: v.optional(v.pipe(v.number(), v.finite('a finite number')), 1e-6),
    replace: v.optional(v.boolean(), true),
    epsilonThreshold: v.optional(Positive),
    epsilonQuery: v.optional(Positive),
    epsilonRelease: v.optional(Positive),
    others: Others,
  }),
  v.forward(
    v.check(
      ({ epsilon, epsilonThreshold: a, epsilonQuery: b }) =>
        a === undefined || (b === undefined ? a < epsilon : adds(a, b, epsilon)),
      'with epsilonQuery, epsilon',
    ),
    ['epsilonThreshold'],
  ),
  v.forward(
    v.check(
      ({ epsilon, epsilonThreshold: a, epsilonQuery: b }) =>
        a !== undefined || b === undefined || b < epsilon,
      'a number < epsilon',
    ),
    ['epsilonQuery'],
  ),
);

/**
 * Releases a fraction of the elements, those that a noisy threshold finds large, cut to +-gamma a step and with Laplace
 * noise; the others become 0. The sparse vector technique (Lyu, Su and Li 2017; Dwork and Roth 2014, section 3.6): FLARE's
 * SVTPrivacy, draw for draw of the same distributions. Unlike there, 0-d tensors are treated as all others, not sent in
 * the clear, and the number of passes, which depends on the data, isn't told. The meta's `svt_privacy_budget` says what
 * was spent.
 */
export const svtPrivacy = defineFilter(
  {
    name: 'svt-privacy',
    needs: 'DIFF',
    on: { site: ['result'], server: [] },
    impliesPartial: false,
  },
  Args,
  ({ fraction, tau, replace, others, ...budget }) => ({
    secret: true,
    about: (subject) => refuseOthers(subject, others),
    scan: {
      start: (subject, rng) =>
        startSelection(subject, rng, {
          fraction,
          tau,
          replace,
          gamma: budget.gamma,
          noiseOf: (uploads) => sparseVector(uploads, budget),
        }),
      visit: visitSelection,
      fault: ({ finite, passes, accepted, noise }) => {
        if (!finite) return { reason: 'non-finite', detail: 'the update is not finite' };
        if (passes < MOST_PASSES || accepted >= noise.uploads) return undefined;
        const detail = `${accepted} of ${noise.uploads} elements are above tau after ${passes} passes`;
        return { reason: 'no-end', detail };
      },
      again: endPass,
      meta: ({ noise }) => ({
        svt_privacy_budget: {
          accountant: 'pure_dp_sum',
          scope: 'filter-level',
          delta: 0,
          epsilon_total: noise.epsilonThreshold + noise.epsilonQuery + noise.epsilonRelease,
          epsilon_threshold: noise.epsilonThreshold,
          epsilon_query: noise.epsilonQuery,
          epsilon_release: noise.epsilonRelease,
          n_upload: noise.uploads,
        },
      }),
    },
    map: (chunk, { bases, selected, gamma, steps, noise }, rng) => {
      const base = bases.get(chunk.name);
      if (!isLearned(chunk) || base === undefined) return chunk.data;
      const values = toFloat64(chunk.dtype, chunk.data);
      for (let i = 0; i < values.length; i++) {
        const step = Math.min(Math.max((values[i] as number) / steps, -gamma), gamma);
        const released = selected.has(base + chunk.offset + i);
        values[i] = released ? (step + laplace(rng, noise.releaseScale)) * steps : 0;
      }
      return fromFloat64(chunk.dtype, values);
    },
  }),
);
