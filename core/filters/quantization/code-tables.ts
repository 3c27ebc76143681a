import { nearest } from './blockwise.ts';
import type { CodeTable } from './blockwise.ts';

/**
 * Values of an 8-bit float with an exponent of variable length: for each power of ten from 1e-6 to 1, the middles of 1 to
 * 64 equal parts of [0.1, 1], both signs, then 0 and 1. Dettmers 2015, "8-Bit Approximations for Parallelism in Deep
 * Learning"; bitsandbytes' create_dynamic_map.
 */
const dynamicMap = (): Float32Array => {
  const values = [0, 1];
  for (let power = 0; power < 7; power++) {
    const parts = 2 ** power;
    const bounds = Array.from({ length: parts + 1 }, (_, i) => tenthToOne(i, parts));
    for (let i = 0; i < parts; i++) {
      const middle = Math.fround(
        Math.fround((bounds[i] as number) + (bounds[i + 1] as number)) / 2,
      );
      const value = Math.fround(Math.fround(10 ** (power - 6)) * middle);
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
};

/** torch.linspace(0.1, 1, parts + 1): from the nearer end, in float32 with one rounding for product and sum. */
const tenthToOne = (i: number, parts: number): number => {
  const start = Math.fround(0.1);
  const step = Math.fround(Math.fround(1 - start) / parts);
  return Math.fround(i < (parts + 1) >> 1 ? start + step * i : 1 - step * (parts - i));
};

const DYNAMIC = dynamicMap();

/** 8 bits an element, 4096 elements a block: FLARE's blockwise8. */
export const blockwise8: CodeTable = {
  type: 'blockwise8',
  bits: 8,
  elements: 4096,
  values: DYNAMIC,
  codeOf: nearest([...DYNAMIC]),
};

/** Quantiles of the normal distribution, 0 among them. QLoRA, appendix E. */
const NORMAL = Float32Array.from([
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
  0.7229568362236023, 1,
]);

/** 4 bits an element, 64 elements a block: FLARE's normfloat4 (NF4). */
export const normfloat4: CodeTable = {
  type: 'normfloat4',
  bits: 4,
  elements: 64,
  values: NORMAL,
  codeOf: nearest([...NORMAL]),
};

/** Sizes of a 4-bit float (sign, two bits of exponent, one of mantissa) by code, over the largest, 12. */
const SIZES = [0, 0.0625, 8, 12, 4, 6, 2, 3].map((size) => Math.fround(size / 12));
/** Codes by their size. */
const ASCENDING = [0, 1, 6, 7, 4, 5, 2, 3];
const nearestSize = nearest(ASCENDING.map((code) => SIZES[code] as number));

/** 4 bits an element, 64 elements a block: FLARE's float4 (FP4). */
export const float4: CodeTable = {
  type: 'float4',
  bits: 4,
  elements: 64,
  values: Float32Array.from([...SIZES, ...SIZES.map((size) => -size)]),
  codeOf: (x) => (ASCENDING[nearestSize(Math.abs(x))] as number) + (x < 0 ? 8 : 0),
};
