import { expect, test } from 'vitest';
import { siteWeight } from './weights.ts';
import type { WeightRule } from './weights.ts';

const steps = (count: unknown, rule: Partial<WeightRule> = {}, site = 'a') =>
  siteWeight(site, { NUM_STEPS_CURRENT_ROUND: count }, { weightBy: 'steps', ...rule });
const weight = (value: number) => ({ ok: true, value });

test('FLARE: aggregation weight x steps', () => {
  const rule = { aggregationWeights: { a: 0.5 } };
  expect(steps(4, rule)).toEqual(weight(2));
  expect(steps(4, rule, 'b')).toEqual(weight(4));
  expect(steps(4, { aggregationWeights: {} }, 'constructor')).toEqual(weight(4));
});

test.each([undefined, null, 0, -3, NaN, Infinity, '7', true, {}])('a count of %s is 1', (count) => {
  expect(steps(count)).toEqual(weight(1));
  expect(steps(count, { aggregationWeights: { a: 3 } })).toEqual(weight(3));
});

test('a count at the limit, and one over', () => {
  expect(steps(1e9)).toEqual(weight(1e9));
  expect(steps(1e9 + 1)).toMatchObject({
    ok: false,
    error: { path: 'meta.NUM_STEPS_CURRENT_ROUND', got: '1000000001' },
  });
});

test('examples, uniform, and the cap', () => {
  const meta = { NUM_STEPS_CURRENT_ROUND: 2, NUM_EXAMPLES_CURRENT_ROUND: 60 };
  expect(siteWeight('a', meta, { weightBy: 'examples' })).toEqual(weight(60));
  expect(siteWeight('a', meta, { weightBy: 'uniform' })).toEqual(weight(1));
  expect(siteWeight('a', meta, { weightBy: 'examples', maxWeight: 10 })).toEqual(weight(10));
  expect(siteWeight('a', {}, { weightBy: 'examples' })).toEqual(weight(1));
});
