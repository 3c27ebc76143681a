import { expect, test } from 'vitest';
import { sparseVector } from './sparse-vector.ts';

const given = { epsilon: 0.1, noiseVar: 0.1, gamma: 1e-5 };

test("the defaults of FLARE's SVTPrivacy for four elements: 1 to 4 for the threshold", () => {
  const { epsilonThreshold, epsilonQuery, epsilonRelease, ...scales } = sparseVector(4, given);
  expect(epsilonThreshold).toBeCloseTo(0.02, 15);
  expect(epsilonQuery).toBeCloseTo(0.08, 15);
  expect(epsilonRelease).toBeCloseTo(0.4, 15);
  expect(scales.thresholdScale).toBeCloseTo(5e-4, 15);
  expect(scales.queryScale).toBeCloseTo(1e-3, 15);
  expect(scales.releaseScale).toBeCloseTo(2e-4, 15);
});

test('parts that are given are kept, the rest follows', () => {
  expect(sparseVector(4, { ...given, epsilonQuery: 0.025 }).epsilonThreshold).toBeCloseTo(
    0.075,
    15,
  );
  expect(sparseVector(4, { ...given, epsilonThreshold: 0.06 }).epsilonQuery).toBeCloseTo(0.04, 15);
  expect(sparseVector(4, { ...given, epsilonRelease: 8 }).releaseScale).toBeCloseTo(1e-5, 15);
});
