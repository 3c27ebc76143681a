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
