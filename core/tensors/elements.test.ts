import { expect, test } from 'vitest';
import { eachFloat64, fromFloat64, mapFloat64, toFloat64 } from './elements.ts';

test.each([
  ['I8', [-129, -128.5, -0.5, 0.5, 1.5, 127.5, NaN], [-128, -128, 0, 0, 2, 127, 0]],
  ['U8', [-1, 254.5, 255.5, Infinity], [0, 254, 255, 255]],
  ['BOOL', [0.5, 0.5000001, 2, -3], [0, 1, 1, 0]],
  ['I32', [2 ** 31, -(2 ** 31) - 1, 2.5], [2 ** 31 - 1, -(2 ** 31), 2]],
  ['U32', [2 ** 32, 3.5, -0.4], [2 ** 32 - 1, 4, 0]],
  ['I64', [2 ** 63, -1e300, -2.5, NaN], [2n ** 63n - 1n, -(2n ** 63n), -2n, 0n]],
  ['U64', [2 ** 64, -1, 2 ** 53], [2n ** 64n - 1n, 0n, 2n ** 53n]],
  ['F32', [1 / 3, 16777217], [Math.fround(1 / 3), 16777216]],
  ['F16', [1, 65520, -2], [0x3c00, 0x7c00, 0xc000]],
  ['BF16', [1, -2], [0x3f80, 0xc000]],
] as const)('%s is rounded half to even and clamped', (dtype, values, expected) => {
  expect([...fromFloat64(dtype, Float64Array.from(values))]).toEqual(expected);
});

test('64-bit integers widen exactly up to 2^53, then to the nearest float64', () => {
  const data = BigInt64Array.of(2n ** 53n - 1n, -(2n ** 53n) - 1n, 2n ** 53n + 3n);
  expect([...toFloat64('I64', data)]).toEqual([2 ** 53 - 1, -(2 ** 53), 2 ** 53 + 4]);
});

test('one by one, elements are made as all at once, across the border of a block', () => {
  const values = Float64Array.from({ length: 5000 }, (_, i) => (i - 2500) * 1.37);
  for (const [from, to] of [
    ['F32', 'F16'],
    ['BF16', 'F64'],
    ['I64', 'F32'],
    ['F64', 'I8'],
  ] as const) {
    const data = fromFloat64(from, values);
    const half = toFloat64(from, data).map((x) => x / 2);
    expect(mapFloat64(from, data, to, (x) => x / 2)).toEqual(fromFloat64(to, half));
    const seen: number[] = [];
    eachFloat64(from, data, (x) => seen.push(x));
    expect(seen).toEqual([...toFloat64(from, data)]);
  }
});
