import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { aggregatorSuite, foldOnce } from './aggregator.suite.ts';
import type { FoldOptions, Update } from './aggregator.suite.ts';
import { jsKernel } from './js-kernel.ts';
import { mean } from './mean.ts';
import { aggregatorNames, findAggregator } from './registry.ts';
import { wasmKernel } from './wasm-kernel.ts';

const module = new WebAssembly.Module(readFileSync(new URL('kernel.wasm', import.meta.url)));
const kernel = wasmKernel(module);
describe('wasm', () => aggregatorSuite(mean, kernel));
describe('js', () => aggregatorSuite(mean, jsKernel()));

const fold = (updates: [weight: number, ...values: number[]][], options?: FoldOptions) => {
  const named = updates.map(([weight, ...values], i): Update => ({
    site: `s${i}`,
    weight,
    values,
  }));
  return foldOnce(mean, kernel, named, options);
};

test('what NVFlare gives (WeightedAggregationHelper, vectors/flare-golden.json weighted_helper)', () => {
  expect(
    fold([
      [2, 1, 2],
      [1, 4, 8],
    ]),
  ).toEqual([2, 4]); // a
  expect(fold([[1, 3]])).toEqual([3]); // b, which only s2 sent
});

test("NVFlare's own test numbers", () => {
  // intime_accumulate: aggregation weights, then iterations; weighted_aggregation_helper_test
  expect(
    fold(
      [
        [0.5, 2],
        [1, 1],
      ],
      { dtype: 'F64' },
    )[0],
  ).toBeCloseTo(4 / 3, 15);
  expect(
    fold(
      [
        [2, 2],
        [4, 1],
      ],
      { dtype: 'F64' },
    ),
  ).toEqual([8 / 6]);
});

test('hello-numpy: each site adds 1, in FULL and in DIFF, whatever the steps', () => {
  const init = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  let [full, diff] = [init, init];
  for (let round = 0; round < 3; round++) {
    const sent = full.map((x) => x + 1);
    full = fold([
      [2, ...sent],
      [5, ...sent],
    ]);
    const ones = init.map(() => 1);
    diff = fold(
      [
        [2, ...ones],
        [5, ...ones],
      ],
      { paramsType: 'DIFF', global: diff },
    );
  }
  expect([full, diff]).toEqual([init.map((x) => x + 3), init.map((x) => x + 3)]);
});

test('1 to 64 sites with weights of 1/n keep a common value exactly', () => {
  for (let n = 1; n <= 64; n++) {
    const updates = Array.from({ length: n }, (): [number, number] => [1 / n, 7]);
    expect(fold(updates)).toEqual([7]);
  }
});

test('weights of zero alone leave the global', () => {
  expect(fold([[0, 5]], { global: [3] })).toEqual([3]);
});

test('the registry knows mean, and no name that objects have', () => {
  expect(findAggregator('mean')).toBe(mean);
  expect(findAggregator('constructor')).toBeUndefined();
  expect(aggregatorNames).toEqual(['mean']);
});
