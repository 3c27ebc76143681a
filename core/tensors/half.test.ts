import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBf16, fromF16, roundHalfEven, toBf16, toF16 } from './half.ts';

/** The engine's own binary16, an implementation that is not ours. */
const Float16 = (globalThis as unknown as { Float16Array: typeof Float64Array }).Float16Array;
const nativeBits = (x: number): number => new Uint16Array(new Float16([x]).buffer)[0] as number;
const halves = Array.from({ length: 65536 }, (_, i) => i);
const isNaNBits = (half: number, infinity: number): boolean => (half & 0x7fff) > infinity;

test('float16 widens to the value that the engine gives, for all 65536', () => {
  const native = new Float16(new Uint16Array(halves).buffer);
  expect(halves.filter((h) => !Object.is(fromF16(h), native[h]))).toEqual([]);
});

test('bfloat16 widens to the float32 it is the upper half of, for all 65536', () => {
  const singles = new Float32Array(new Uint32Array(halves.map((h) => h << 16)).buffer);
  expect(halves.filter((h) => !Object.is(fromBf16(h), singles[h]))).toEqual([]);
});

test('what was widened narrows to the same bits; a NaN to a NaN', () => {
  const lost16 = halves.filter((h) => toF16(fromF16(h)) !== h);
  expect(lost16.filter((h) => !isNaNBits(h, 0x7c00))).toEqual([]);
  const lostB = halves.filter((h) => toBf16(fromBf16(h)) !== h);
  expect(lostB.filter((h) => !isNaNBits(h, 0x7f80))).toEqual([]);
  expect([toF16(NaN) & 0x7fff, toBf16(NaN) & 0x7fff]).toEqual([0x7e00, 0x7fc0]);
});

/** Numbers that sit on, just above and just below the midpoint between two neighbours. */
const aroundMidpoints = (widen: (h: number) => number, infinity: number): number[] =>
  Array.from({ length: infinity }, (_, h) => {
    const next = h + 1 === infinity ? 2 * widen(h) - widen(h - 1) : widen(h + 1);
    const middle = (widen(h) + next) / 2; // exact: float64 has bits to spare
    return [middle, middle * (1 + 2 ** -52), middle * (1 - 2 ** -53)];
  }).flat();

test('float16 narrows as the engine does, around every midpoint and anywhere', () => {
  const points = aroundMidpoints(fromF16, 0x7c00);
  expect(points.filter((x) => toF16(x) !== nativeBits(x))).toEqual([]);
  expect(points.filter((x) => toF16(-x) !== nativeBits(-x))).toEqual([]);
  fc.assert(fc.property(fc.double({ noNaN: true }), (x) => toF16(x) === nativeBits(x)));
});

test('bfloat16 narrows to the nearest, ties to even, around every midpoint', () => {
  aroundMidpoints(fromBf16, 0x7f80).forEach((x, i) => {
    const [below, where] = [Math.floor(i / 3), i % 3];
    const up = where === 1 || (where === 0 && below % 2 === 1);
    if (toBf16(x) !== below + (up ? 1 : 0)) expect.fail(`${x} became ${toBf16(x)}`);
  });
  expect([toBf16(3.4e38), toBf16(-Infinity), toBf16(1e-60), toBf16(-0)]).toEqual([
    0x7f80, 0xff80, 0, 0x8000,
  ]);
});

test('float64 is rounded once: a detour by way of float32 would give a neighbour', () => {
  const x = 1 + 2 ** -11 + 2 ** -30; // just above a float16 midpoint, which float32 rounds it to
  expect(toF16(x)).toBe(0x3c01);
  expect(toF16(Math.fround(x))).toBe(0x3c00);
});

test('half to even', () => {
  const points = [0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, 2 ** 52 + 1, -(2 ** 53), 1e300];
  expect(points.map(roundHalfEven)).toEqual([0, 2, 2, -0, -2, 0, 2 ** 52 + 1, -(2 ** 53), 1e300]);
  expect([Infinity, -Infinity, NaN].map(roundHalfEven)).toEqual([Infinity, -Infinity, NaN]);
});
