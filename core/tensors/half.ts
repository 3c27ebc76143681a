// 16-bit floats, held as their bits. IEEE 754 binary16 (F16: 5 exponent bits, 10 of mantissa) and bfloat16 (8 and 7).

const bits = new BigUint64Array(1);
const f64 = new Float64Array(bits.buffer);
const u32 = new Uint32Array(bits.buffer);
const f32 = new Float32Array(bits.buffer);

/** Exact value of a float16. */
export const fromF16 = (half: number): number => {
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 0x1f) return mantissa ? NaN : sign * Infinity;
  u32[0] = ((exponent + 112) << 23) | (mantissa << 13);
  return sign * (f32[0] as number);
};

/** Exact value of a bfloat16: the upper half of a float32. */
export const fromBf16 = (half: number): number => {
  u32[0] = half << 16;
  return f32[0] as number;
};

/** Nearest float16, ties to even; from 65520 on infinity. A float64 is rounded once, not by way of float32. */
export const toF16 = (x: number): number => narrow(x, 10, -14);

/** Nearest bfloat16, ties to even. A float64 is rounded once, not by way of float32. */
export const toBf16 = (x: number): number => narrow(x, 7, -126);

/**
 * Rounds to a float of `m` mantissa bits and exponents `low` to 1 - `low`. The value in units of its last place (scaling
 * by a power of two is exact) is rounded to an integer; adding that to the exponent carries by itself, up to infinity.
 */
const narrow = (x: number, m: number, low: number): number => {
  f64[0] = x;
  const high = u32[1] as number;
  const sign = (high >>> 16) & 0x8000;
  const e = Math.max(((high >>> 20) & 0x7ff) - 1023, low);
  if (e > 1 - low) {
    const infinity = (3 - 2 * low) << m;
    return sign | infinity | (x === x ? 0 : 1 << (m - 1));
  }
  u32[1] = (1023 + m - e) << 20;
  u32[0] = 0;
  return sign | (((e - low) << m) + roundHalfEven(Math.abs(x) * f64[0]));
};

/** Nearest integer, ties to even; exact for every float64, and keeps infinities and NaN. */
export const roundHalfEven = (x: number): number => {
  // Adding 2^52 leaves no room for a fraction, so that the addition itself rounds.
  if (Math.abs(x) >= 2 ** 52) return x;
  return x < 0 ? -(-x + 2 ** 52 - 2 ** 52) : x + 2 ** 52 - 2 ** 52;
};
