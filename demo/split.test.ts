import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { dirichlet, randomOf } from './random.ts';
import { splitBySites } from './split.ts';

const labels = Int32Array.from({ length: 6000 }, (_, i) => i % 10);
const options = { labels, classes: 10, sites: 6, examples: 3000, alpha: 0.3, seed: 1 };

test('every example goes to one site, the counts say how many, and the same seed deals the same', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 1, max: 8 }), (seed, sites) => {
      const split = splitBySites({ ...options, seed, sites });
      const all = split.shards.flat();
      expect(new Set(all).size).toBe(3000);
      for (const [s, shard] of split.shards.entries()) {
        expect(shard.length).toBeGreaterThanOrEqual(100);
        const counts = Array.from(
          { length: 10 },
          (_, c) => shard.filter((i) => labels[i] === c).length,
        );
        expect(counts).toEqual(split.counts[s]);
      }
      expect(splitBySites({ ...options, seed, sites })).toEqual(split);
    }),
    { numRuns: 20 },
  );
  expect(splitBySites({ ...options, seed: 2 }).counts).not.toEqual(splitBySites(options).counts);
});

test('a small alpha is uneven, a large one even', () => {
  const largest = ({ counts }: ReturnType<typeof splitBySites>): number =>
    Math.max(...counts.flatMap((row) => row.map((n) => n / row.reduce((a, b) => a + b))));
  expect(largest(splitBySites({ ...options, alpha: 1000 }))).toBeLessThan(0.13);
  expect(largest(splitBySites({ ...options, alpha: 0.1 }))).toBeGreaterThan(0.4);
});

test('what cannot be dealt is refused', () => {
  expect(() => splitBySites({ ...options, examples: 500 })).toThrow(
    '500 examples are too few for 6 sites',
  );
});

// Dirichlet(a, ..., a) over n: each share has mean 1/n and variance (n - 1) / (n^2 (n a + 1)).
test.each([0.3, 1, 5])('shares have the mean and the variance of Dirichlet(%d)', (alpha) => {
  const [n, draws] = [4, 20_000];
  const random = randomOf(1, `moments ${alpha}`);
  const first = Array.from({ length: draws }, () => dirichlet(n, alpha, random)[0] ?? 0);
  const mean = first.reduce((sum, x) => sum + x, 0) / draws;
  const variance = first.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws;
  const expected = (n - 1) / (n ** 2 * (n * alpha + 1));
  expect(Math.abs(mean - 1 / n)).toBeLessThan(5 * Math.sqrt(expected / draws));
  expect(variance / expected).toBeGreaterThan(0.93);
  expect(variance / expected).toBeLessThan(1.07);
});
