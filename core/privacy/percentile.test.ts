import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { countNumber, nextPass, percentileOf, startPercentile } from './percentile.ts';
import { vectors } from './vectors.suite.ts';

const percentile = (values: readonly number[], percent: number, wide: boolean): number => {
  const search = startPercentile(percent, wide);
  do for (const x of values) countNumber(search, x);
  while (nextPass(search));
  return percentileOf(search);
};

interface PercentileVector {
  readonly wide: boolean;
  readonly percent: number;
  readonly values: readonly number[];
  readonly result: number;
}

test.each(vectors<PercentileVector[]>('percentiles'))(
  'numpy.percentile at $percent, wide $wide',
  ({ wide, percent, values, result }) => {
    expect(percentile(values, percent, wide)).toBeCloseTo(result, 14);
  },
);

test('the percentiles of whole places are the sorted elements', () => {
  const numbers = fc.array(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), {
    minLength: 2,
    maxLength: 40,
  });
  fc.assert(
    fc.property(numbers, fc.nat(), (list, place) => {
      const values = place % 2 ? list : list.map((x) => Math.fround(Math.min(x, 3e38)));
      const sorted = values.toSorted((a, b) => a - b);
      const at = place % values.length;
      const got = percentile(values, 100 * (at / (values.length - 1)), place % 2 === 1);
      const step = (sorted[at + 1] ?? sorted[at] ?? 0) - (sorted[at - 1] ?? sorted[at] ?? 0);
      expect(Math.abs(got - (sorted[at] as number))).toBeLessThanOrEqual(1e-12 * step);
    }),
    { numRuns: 30 },
  );
});

test('nothing has the percentile 0', () => {
  expect(percentile([], 50, true)).toBe(0);
});
