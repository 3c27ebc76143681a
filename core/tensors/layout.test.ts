import { expect, test } from 'vitest';
import type { Dtype } from './dtype.ts';
import {
  byteSize,
  checkDataLength,
  MAX_NAME,
  matchLayout,
  nameFault,
  packLayout,
} from './layout.ts';
import type { TensorSpec } from './layout.ts';

const spec = (
  name: string,
  dtype: Dtype = 'F32',
  shape: readonly number[] = [2, 3],
): TensorSpec => ({
  name,
  dtype,
  shape,
});
const job = packLayout([spec('w'), spec('b', 'F32', [3])]);
const match = (specs: TensorSpec[], partial = false) =>
  matchLayout(job, packLayout(specs), { partial });

test('larger elements come first, so that every tensor is aligned', () => {
  const specs = [spec('a', 'U8', [3]), spec('b', 'F64', []), spec('c', 'I8', [1]), spec('d')];
  const { entries, dataBytes } = packLayout(specs);
  expect(entries.map(({ name, begin, end }) => [name, begin, end])).toEqual([
    ['b', 0, 8],
    ['d', 8, 32],
    ['a', 32, 35],
    ['c', 35, 36],
  ]);
  expect(dataBytes).toBe(36);
  expect(packLayout([]).dataBytes).toBe(0);
});

test('what cannot be packed throws', () => {
  expect(() => packLayout([spec('a'), spec('a')])).toThrow(RangeError);
  expect(() => packLayout([spec('')])).toThrow(RangeError);
  expect(() => packLayout([spec('a', 'F32', [-1])])).toThrow(RangeError);
});

test('byte sizes: scalars, empty tensors, overflow', () => {
  expect(byteSize('F64', [])).toBe(8);
  expect(byteSize('F64', [2 ** 52, 2 ** 52, 0])).toBe(0);
  expect(byteSize('F64', [2 ** 26, 2 ** 26])).toBeUndefined();
  expect(byteSize('U8', [2 ** 52, 2 ** 52, 2 ** 52])).toBeUndefined();
  expect(byteSize('U8', [1.5])).toBeUndefined();
});

test('an update in any order matches', () => {
  expect(match([spec('b', 'F32', [3]), spec('w')]).ok).toBe(true);
  expect(match([spec('w')], true).ok).toBe(true);
});

test.each([
  ['unknown-tensor', 'x', [spec('x')], false],
  ['unknown-tensor', '__proto__', [spec('w'), spec('__proto__')], true],
  ['missing-tensor', 'b', [spec('w')], false],
  ['wrong-dtype', 'w', [spec('w', 'F64')], true],
  ['wrong-shape', 'w', [spec('w', 'F32', [3, 2])], true],
  ['wrong-shape', 'w', [spec('w', 'F32', [2, 3, 1])], true],
  ['no-tensors', undefined, [], true],
] as const)('%s (%s)', (reason, tensor, specs, partial) => {
  const result = match([...specs], partial);
  expect(result).toMatchObject({ ok: false, error: { reason } });
  if (!result.ok) expect(result.error.tensor).toBe(tensor);
});

test('data length', () => {
  expect(checkDataLength(job, 36).ok).toBe(true);
  expect(checkDataLength(job, 35)).toMatchObject({
    error: { reason: 'length-mismatch', got: '35' },
  });
});

test('a name at its longest, and one longer', () => {
  expect(nameFault('n'.repeat(MAX_NAME))).toBeUndefined();
  expect(nameFault('n'.repeat(MAX_NAME + 1))).toMatchObject({ reason: 'bad-name' });
});
