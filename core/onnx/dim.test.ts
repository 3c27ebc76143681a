import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { add, divide, multiply, product } from './dim.ts';
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

test('multiples of the same symbols add up', () => {
  expect(add('3*batch', 'batch')).toBe('4*batch');
  expect(add(0, 'batch')).toBe('batch');
  expect(add('batch', 1)).toBeUndefined();
  fc.assert(
    fc.property(
      dims,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      (dim, a, b) => {
        expect(add(multiply(a, dim), multiply(b, dim))).toBe(multiply(a + b, dim));
      },
    ),
  );
});

test('what does not come out even is not known', () => {
  expect(divide('3*batch', 2)).toBeUndefined();
  expect(divide(6, 'batch')).toBeUndefined();
  expect(divide(6, 0)).toBeUndefined();
});
