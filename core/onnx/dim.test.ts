import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { divide, multiply, product } from './dim.ts';
import type { Dim } from './dim.ts';

const dims: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 1, max: 9 }),
  fc.constantFrom('batch', 'time'),
);

test('products have one spelling, in whatever order they are made', () => {
  expect(multiply('batch', 6)).toBe('6*batch');
  expect(product(['time', 2, 'batch', 3])).toBe('6*batch*time');
  fc.assert(
    fc.property(fc.array(dims), (list) => {
      expect(product(list.toReversed())).toBe(product(list));
    }),
  );
});

test('division undoes multiplication', () => {
  fc.assert(
    fc.property(dims, dims, (a, b) => {
      expect(divide(multiply(a, b), b)).toBe(a);
    }),
  );
});

test('what does not come out even is not known', () => {
  expect(divide('3*batch', 2)).toBeUndefined();
  expect(divide(6, 'batch')).toBeUndefined();
  expect(divide(6, 0)).toBeUndefined();
});
