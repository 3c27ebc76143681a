import { expect, test } from 'vitest';
import { chachaUniform } from './chacha.ts';
import { scaledErfc } from './erfc.ts';
import { laplace, normal } from './noise.ts';
import { between } from './uniform.ts';
import { vectors } from './vectors.suite.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => i);

test('the same numbers as numpy makes of the same draws', () => {
  const uniform = chachaUniform(key, 3, 4);
  const want = vectors<{ normal: number[]; laplace: number[] }>('noise');
  for (const x of want.normal) expect(normal(uniform)).toBeCloseTo(x, 12);
  for (const x of want.laplace) expect(laplace(uniform, 0.75)).toBeCloseTo(x, 12);
});

test('the extremes of the draws give finite numbers, far out', () => {
  const most = 1 - 2 ** -53;
  expect(between(() => 0)).toBe(2 ** -53);
  expect(between(() => most)).toBe(1 - 2 ** -53);
  expect(normal(() => 0)).toBeCloseTo(8.571674348652905, 12);
  expect(laplace(() => 0, 1)).toBeCloseTo(-52 * Math.LN2, 10);
  expect(laplace(() => most, 1)).toBeCloseTo(52 * Math.LN2, 10);
});

/** Kolmogorov and Smirnov's statistic times sqrt(n); above 1.95 with a probability of 0.001. */
const distance = (sample: number[], distribution: (x: number) => number): number => {
  const n = sample.length;
  const gaps = sample
    .toSorted((a, b) => a - b)
    .map((x, i) => Math.max(distribution(x) - i / n, (i + 1) / n - distribution(x)));
  return Math.sqrt(n) * gaps.reduce((max, gap) => Math.max(max, gap), 0);
};
const phi = (x: number): number => {
  const tail = (Math.exp((-x * x) / 2) * scaledErfc(Math.abs(x) / Math.SQRT2)) / 2;
  return x < 0 ? tail : 1 - tail;
};
const laplaceCdf = (x: number): number => (x < 0 ? Math.exp(x) / 2 : 1 - Math.exp(-x) / 2);

test('both follow their distributions, and the test would see it if not', () => {
  const sample = (draw: () => number) => Array.from({ length: 50_000 }, draw);
  const uniform = chachaUniform(key, 9, 0);
  const normals = sample(() => normal(uniform));
  expect(distance(normals, phi)).toBeLessThan(1.95);
  expect(distance(normals, (x) => phi(x / 1.05))).toBeGreaterThan(1.95);
  const laplaces = sample(() => laplace(uniform, 3) / 3);
  expect(distance(laplaces, laplaceCdf)).toBeLessThan(1.95);
  expect(distance(laplaces, phi)).toBeGreaterThan(1.95);
});
