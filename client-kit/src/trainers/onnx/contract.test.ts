import { expect, test } from 'vitest';
import type { Manifest } from '../../../../core/tensors/manifest.ts';
import type { Dataset } from '../../dataset.ts';
import { checkDataset, contractOf } from './contract.ts';

const taking = (...shape: (number | string)[]): Manifest =>
  ({ inputs: { x: { name: 'x', dtype: 'F32', shape } } }) as unknown as Manifest;
const dataset = (...shape: number[]): Dataset => ({
  x: { data: new Float32Array(shape.reduce((a, b) => a * b)), shape },
  y: new Int32Array(shape[0] ?? 0),
});

test('a dimension that the program leaves open fits any size, the others their own', () => {
  const contract = contractOf(taking('batch', 3, 'height', 'width'));
  for (const [height, width] of [
    [8, 8],
    [32, 17],
  ] as const)
    expect(() => checkDataset(dataset(2, 3, height, width), contract)).not.toThrow();
  expect(() => checkDataset(dataset(2, 1, 8, 8), contract)).toThrow(
    'x.shape: expected [3, height, width], got [1, 8, 8]',
  );
  expect(() => checkDataset(dataset(2, 3, 8), contract)).toThrow('got [3, 8]');
});

test('the truth must have the shape that the loss compares with; one number is one number', () => {
  const contract = (...shape: number[]) => ({ ...contractOf(taking('batch', 2)), truth: shape });
  const numbers = (...shape: number[]): Dataset => ({
    ...dataset(2, 2),
    y: { data: new Float32Array(shape.reduce((a, b) => a * b)), shape },
  });
  expect(() => checkDataset(numbers(2, 3), contract(3))).not.toThrow();
  expect(() => checkDataset(numbers(2), contract(1))).not.toThrow();
  expect(() => checkDataset(numbers(2, 1), contract())).not.toThrow();
  expect(() => checkDataset(numbers(2, 4), contract(3))).toThrow('y.shape: expected [3], got [4]');
  expect(() => checkDataset(dataset(2, 2), contract(3))).toThrow(
    'y.shape: expected [3], got a class per example',
  );
});
