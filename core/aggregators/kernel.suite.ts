import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype } from '../tensors/dtype.ts';
import { MAX_CHUNK } from './kernel.ts';
import type { Kernel } from './kernel.ts';

export const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const f32 = (...values: number[]): Uint8Array => bytesOf(Float32Array.from(values));
const f64 = (...values: number[]): Uint8Array => bytesOf(Float64Array.from(values));

/** What every kernel must do, told by values from outside. */
export const kernelSuite = (kernel: Kernel): void => {
  const mean = (
    dtype: Dtype,
    parts: readonly (readonly [Uint8Array, number])[],
    divisor: number,
  ) => {
    kernel.begin((parts[0]?.[0].length ?? 0) / DTYPES[dtype].bytes);
    for (const [bytes, weight] of parts) kernel.add(dtype, bytes, weight);
    return kernel.finishFull(dtype, divisor);
  };

  test('thirds of 7 are 7', () => {
    const third = [f32(7), 1 / 3] as const;
    expect(mean('F32', [third, third, third], 1 / 3 + 1 / 3 + 1 / 3)).toEqual(f32(7));
  });

  test('DIFF adds to the global in float64 and rounds once', () => {
    // 1 + 2^-24 is a tie that float32 rounds to 1; rounding the mean first would lose the 2^-50 that breaks it.
    kernel.begin(1);
    kernel.add('F32', f32(2 ** -24), 1);
    kernel.add('F32', f32(2 ** -50), 1);
    expect(kernel.finishDiff('F32', f32(1), 1)).toEqual(f32(1 + 2 ** -23));
  });

  test('weights multiply in float64, in the order given', () => {
    const expected = (0 + 0.1 * 3 + 0.7 * 5 + 1e16 * 0.5 - 1e16 * 0.5) / 9;
    const parts = [
      [f64(3), 0.1],
      [f64(5), 0.7],
      [f64(1e16), 0.5],
      [f64(-1e16), 0.5],
    ] as const;
    expect(mean('F64', parts, 9)).toEqual(f64(expected));
  });

  test('float16 and bfloat16 edge values', () => {
    const half = (...bits: number[]) => bytesOf(Uint16Array.from(bits));
    const same = (dtype: Dtype, ...bits: number[]) =>
      expect(mean(dtype, [[half(...bits), 1]], 1)).toEqual(half(...bits));
    same('F16', 0, 1, 0x3ff, 0x400, 0x3c00, 0xbc01, 0x7bff, 0xfbff, 0x7c00);
    same('BF16', 0, 1, 0x7f, 0x80, 0x3f80, 0xbf81, 0x7f7f, 0xff7f, 0x7f80);
    expect(
      mean(
        'F16',
        [
          [half(0x3c00), 1],
          [half(0x3c01), 1],
        ],
        2,
      ),
    ).toEqual(half(0x3c00));
    expect(
      mean(
        'F16',
        [
          [half(0x3c01), 1],
          [half(0x3c02), 1],
        ],
        2,
      ),
    ).toEqual(half(0x3c02));
  });

  test('integers round half to even and stay in range', () => {
    const i8 = (...values: number[]) => bytesOf(Int8Array.from(values));
    expect(
      mean(
        'I8',
        [
          [i8(1, 2, 127, -128), 1],
          [i8(2, 3, 127, -128), 1],
        ],
        2,
      ),
    ).toEqual(i8(2, 2, 127, -128));
    kernel.begin(2);
    kernel.add('I8', i8(100, -100), 1);
    expect(kernel.finishDiff('I8', i8(100, -100), 1)).toEqual(i8(127, -128));
    const u64 = bytesOf(BigUint64Array.of(2n ** 53n - 1n, 2n ** 64n - 1n));
    expect(mean('U64', [[u64, 1]], 1)).toEqual(u64);
  });

  test('no element, a whole chunk, one byte over', () => {
    expect(mean('F32', [[f32(), 1]], 1)).toEqual(new Uint8Array(0));
    const full = new Uint8Array(MAX_CHUNK).fill(3);
    expect(mean('U8', [[full, 2]], 2)).toEqual(full);
    expect(kernel.firstNonFinite('F32', full)).toBe(-1);
    expect(() => kernel.firstNonFinite('F32', new Uint8Array(MAX_CHUNK + 4))).toThrow(RangeError);
    expect(() => kernel.begin(MAX_CHUNK + 1)).toThrow(RangeError);
  });

  test('bytes that are not the elements throw', () => {
    kernel.begin(2);
    expect(() => kernel.add('F32', f32(1), 1)).toThrow(RangeError);
    expect(() => kernel.firstNonFinite('F32', new Uint8Array(6))).toThrow(RangeError);
  });

  test('a sum does not remember the one before', () => {
    mean('F64', [[f64(1e300, 1e300, 1e300), 1]], 1);
    expect(mean('F32', [[f32(1, 2, 3, 4, 5), 1]], 1)).toEqual(f32(1, 2, 3, 4, 5));
  });

  test('bytes at an odd address', () => {
    const moved = new Uint8Array(13).subarray(1, 13);
    moved.set(f32(1, 2, 3));
    expect(mean('F32', [[moved, 1]], 1)).toEqual(f32(1, 2, 3));
  });

  const exponents = { F64: 0x7ff, F32: 0x7f8, F16: 0x7c, BF16: 0x7f8 } as const;
  test.each(Object.keys(exponents) as (keyof typeof exponents)[])(
    'the first %s that is not finite is found wherever it is',
    (dtype) => {
      const width = DTYPES[dtype].bytes;
      const infinity = { F64: 0x7ff0, F32: 0x7f80, F16: 0x7c00, BF16: 0x7f80 }[dtype];
      fc.assert(
        fc.property(fc.nat(99), fc.nat(99), fc.boolean(), fc.boolean(), (length, at, sign, nan) => {
          const bytes = new Uint8Array(length * width).fill(0x5b);
          const view = new DataView(bytes.buffer);
          const top = (i: number, value: number) =>
            view.setUint16((i + 1) * width - 2, value, true);
          if (at < length) {
            const bits = infinity | (sign ? 0x8000 : 0) | (nan ? 1 : 0);
            top(at, bits);
            top(length - 1, at === length - 1 ? bits : infinity);
          }
          expect(kernel.firstNonFinite(dtype, bytes)).toBe(at < length ? at : -1);
        }),
      );
    },
  );

  test('looking for what is not finite leaves a sum alone; integers are always finite', () => {
    kernel.begin(1);
    kernel.add('F32', f32(7), 2);
    expect(kernel.firstNonFinite('F32', f32(1, NaN))).toBe(1);
    expect(kernel.firstNonFinite('I32', new Uint8Array(8).fill(255))).toBe(-1);
    expect(kernel.finishFull('F32', 2)).toEqual(f32(7));
  });
};
