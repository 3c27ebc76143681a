import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { convertParams } from './params.ts';

const floats = (...data: number[]): Tensors =>
  new Map([['w', { dtype: 'F32', shape: [data.length], data: Float32Array.from(data) }]]);

test('FULL - received = DIFF, rounded once; received + DIFF = FULL', () => {
  const finite = fc.float({
    noNaN: true,
    noDefaultInfinity: true,
    min: Math.fround(-1e30),
    max: Math.fround(1e30),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(finite, finite)), (pairs) => {
      const trained = floats(...pairs.map(([a]) => a));
      const received = floats(...pairs.map(([, b]) => b));
      const diff = convertParams(trained, 'FULL', 'DIFF', received);
      expect([...(diff.get('w')?.data ?? [])]).toEqual(pairs.map(([a, b]) => Math.fround(a - b)));
      const sum = convertParams(trained, 'DIFF', 'FULL', received);
      expect([...(sum.get('w')?.data ?? [])]).toEqual(pairs.map(([a, b]) => Math.fround(a + b)));
    }),
  );
});

test('integers and 16-bit floats too', () => {
  const of = (dtype: 'I64' | 'F16', ...data: number[]): Tensors =>
    new Map([
      [
        'w',
        {
          dtype,
          shape: [data.length],
          data: dtype === 'I64' ? BigInt64Array.from(data, BigInt) : Uint16Array.from(data),
        },
      ],
    ]);
  const steps = convertParams(of('I64', 5, 1), 'FULL', 'DIFF', of('I64', 3, 4));
  expect(steps.get('w')?.data).toEqual(BigInt64Array.of(2n, -3n));
  // F16: 0x4200 is 3, 0x3c00 is 1, 0x4000 is 2.
  const halves = convertParams(of('F16', 0x4200), 'FULL', 'DIFF', of('F16', 0x3c00));
  expect(halves.get('w')?.data).toEqual(Uint16Array.of(0x4000));
});

test('what has no counterpart can’t be converted', () => {
  const convert = (received: Tensors | undefined) => () =>
    convertParams(floats(1, 2), 'FULL', 'DIFF', received);
  expect(convert(undefined)).toThrow('no counterpart');
  expect(convert(floats(1))).toThrow('no counterpart');
  expect(convertParams(floats(1), 'FULL', 'FULL', undefined)).toEqual(floats(1));
});
