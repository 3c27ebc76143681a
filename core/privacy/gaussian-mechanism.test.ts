import { expect, test } from 'vitest';
import { scaledErfc } from './erfc.ts';
import { gaussianDelta, gaussianSigma } from './gaussian-mechanism.ts';
import { vectors } from './vectors.suite.ts';

test.each(vectors<[number, number][]>('erfc'))('e^(x^2) erfc(x) at %d', (x, want) => {
  expect(Math.abs(scaledErfc(x) / want - 1)).toBeLessThan(1e-12);
});

test.each(vectors<{ epsilon: number; delta: number; sigma: number }[]>('sigma'))(
  'sigma for ($epsilon, $delta)',
  ({ epsilon, delta, sigma }) => {
    expect(Math.abs(gaussianSigma({ epsilon, delta }, 1) / sigma - 1)).toBeLessThan(1e-7);
    expect(gaussianSigma({ epsilon, delta }, 0.25)).toBe(
      0.25 * gaussianSigma({ epsilon, delta }, 1),
    );
  },
);

test('never less than what is asked, and less than the textbook asks', () => {
  for (const epsilon of [0.1, 0.5, 0.9]) {
    for (const delta of [1e-9, 1e-5, 0.01]) {
      const sigma = gaussianSigma({ epsilon, delta }, 1);
      expect(gaussianDelta(sigma, epsilon)).toBeLessThanOrEqual(delta);
      expect(sigma).toBeLessThan(Math.sqrt(2 * Math.log(1.25 / delta)) / epsilon);
    }
  }
});
