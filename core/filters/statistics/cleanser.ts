import * as v from 'valibot';
import type { Rng } from '../filter.ts';

/**
 * A site's statistics: statistic (`count`, `failure_count`, `min`, `histogram`, ...) -> data set -> feature -> value, which
 * is a number, or for `histogram` `{bins: [...]}`. FLARE's DXO of kind STATISTICS.
 */
export const Statistics = v.record(
  v.string(),
  v.record(v.string(), v.record(v.string(), v.unknown())),
);
export type Statistics = v.InferOutput<typeof Statistics>;

/** Takes out of statistics what would say too much of single records. FLARE's StatisticsPrivacyCleanser. */
export type Cleanser = (statistics: Statistics, rng: Rng) => Statistics;

/** A value of a statistic as a number; NaN where there is none. */
const numberAt = (statistics: Statistics, statistic: string, set: string, feature: string) => {
  const value = statistics[statistic]?.[set]?.[feature];
  return typeof value === 'number' ? value : NaN;
};

/** Records that a feature's statistics are of: NaN where the site doesn't say, which no minimum admits. */
export const recordsOf = (statistics: Statistics, set: string, feature: string): number =>
  numberAt(statistics, 'count', set, feature) -
  (statistics['failure_count'] ? numberAt(statistics, 'failure_count', set, feature) : 0);

/** The statistics with each value changed, or gone where it becomes undefined. */
export const mapStatistics = (
  statistics: Statistics,
  change: (
    value: unknown,
    at: readonly [statistic: string, set: string, feature: string],
  ) => unknown,
): Statistics =>
  mapEntries(statistics, (sets, statistic) =>
    mapEntries(sets, (features, set) =>
      mapEntries(features, (value, feature) => change(value, [statistic, set, feature])),
    ),
  );

const mapEntries = <A, B>(
  record: Readonly<Record<string, A>>,
  change: (value: A, key: string) => B,
): Record<string, B> =>
  Object.fromEntries(
    Object.entries(record).flatMap(([key, value]) => {
      const changed = change(value, key);
      return changed === undefined ? [] : [[key, changed]];
    }),
  );
