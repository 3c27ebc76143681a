import { mapStatistics, recordsOf } from './cleanser.ts';
import type { Cleanser } from './cleanser.ts';

/** Drops all but the counts of features with fewer records. FLARE's MinCountCleanser(min_count). */
export const minCount =
  (least: number): Cleanser =>
  (statistics) =>
    mapStatistics(statistics, (value, [statistic, set, feature]) =>
      statistic === 'count' || recordsOf(statistics, set, feature) >= least ? value : undefined,
    );
