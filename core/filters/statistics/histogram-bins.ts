import { roundHalfEven } from '../../tensors/half.ts';
import { mapStatistics, recordsOf } from './cleanser.ts';
import type { Cleanser } from './cleanser.ts';

/**
 * Drops histograms with as many bins as `percent` of their records, or more: a bin of one record tells it. FLARE's
 * HistogramBinsCleanser(max_bins_percent).
 */
export const histogramBins =
  (percent: number): Cleanser =>
  (statistics) =>
    mapStatistics(statistics, (value, [statistic, set, feature]) => {
      if (statistic !== 'histogram') return value;
      const limit = roundHalfEven((recordsOf(statistics, set, feature) * percent) / 100);
      return binsOf(value) < limit ? value : undefined;
    });

const binsOf = (histogram: unknown): number => {
  if (typeof histogram !== 'object' || histogram === null || !('bins' in histogram))
    return Infinity;
  return Array.isArray(histogram.bins) ? histogram.bins.length : Infinity;
};
