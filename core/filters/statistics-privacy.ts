import * as v from 'valibot';
import { fieldErrors } from '../protocol/field-errors.ts';
import { err, ok } from '../tensors/result.ts';
import { between } from './args.ts';
import { defineFilter } from './define.ts';
import { Statistics } from './statistics/cleanser.ts';
import type { Cleanser } from './statistics/cleanser.ts';
import { histogramBins } from './statistics/histogram-bins.ts';
import { minCount } from './statistics/min-count.ts';
import { minMaxNoise } from './statistics/min-max-noise.ts';

const Args = v.pipe(
  v.strictObject({
    minCount: v.optional(v.pipe(v.number(), v.minValue(0, 'a number >= 0')), 10),
    minNoiseLevel: v.optional(between(0, 1), 0.1),
    maxNoiseLevel: v.optional(between(0, 1), 0.3),
    maxBinsPercent: v.optional(between(0, 100), 10),
  }),
  v.forward(
    v.check((args) => args.minNoiseLevel <= args.maxNoiseLevel, 'a number >= minNoiseLevel'),
    ['maxNoiseLevel'],
  ),
);

/**
 * Cleanses a site's statistics before they leave: features with few records, exact extremes, histograms with too many
 * bins. FLARE's StatisticsPrivacyFilter with the cleansers, order and defaults of its FedStatsRecipe; what is no
 * statistics passes.
 */
export const statisticsPrivacy = defineFilter(
  {
    name: 'statistics-privacy',
    needs: 'ANY',
    on: { site: ['result'], server: [] },
    impliesPartial: false,
  },
  Args,
  (args) => {
    const cleansers: readonly Cleanser[] = [
      minCount(args.minCount),
      minMaxNoise(args.minNoiseLevel, args.maxNoiseLevel),
      histogramBins(args.maxBinsPercent),
    ];
    return {
      secret: true,
      about: ({ kind, data }, rng) => {
        if (kind !== 'STATISTICS') return ok({});
        const statistics = v.safeParse(Statistics, data);
        if (statistics.success) {
          const clean = cleansers.reduce((left, cleanse) => cleanse(left, rng), statistics.output);
          return ok({ data: clean });
        }
        const [first] = fieldErrors(statistics.issues);
        const detail = `statistics: ${first?.path} is ${first?.got}, not ${first?.expected}`;
        return err({ reason: 'malformed', detail });
      },
    };
  },
);
