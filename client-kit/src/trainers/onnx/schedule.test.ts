import { expect, test } from 'vitest';
import { constant, cosine, linear, warmup } from './schedule.ts';
import type { Schedule } from './schedule.ts';

const rates = (schedule: Schedule, steps: number): number[] =>
  Array.from({ length: steps }, (_, step) => schedule(step, steps));

test('constant, linear and cosine', () => {
  expect(rates(constant(0.1), 3)).toEqual([0.1, 0.1, 0.1]);
  expect(rates(linear(1), 4)).toEqual([1, 0.75, 0.5, 0.25]);
  // torch.optim.lr_scheduler.CosineAnnealingLR(lr=1, T_max=4): 1, 0.853553, 0.5, 0.146447
  const expected = [1, 0.853553, 0.5, 0.146447];
  rates(cosine(1), 4).forEach((rate, i) => expect(rate).toBeCloseTo(expected[i] ?? NaN, 6));
  expect(cosine(1, 0.2)(4, 4)).toBeCloseTo(0.2);
});

test('a warm-up rises to the rate that the schedule then begins with', () => {
  expect(rates(warmup(2, linear(1)), 6)).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25]);
});
