import { DTYPES } from '../tensors/dtype.ts';
import { roundHalfEven } from '../tensors/half.ts';
import { INPUT, OUTPUT, SUM } from './kernel-memory.ts';
import type { IntegerDtype } from './kernel-memory.ts';

/** Smallest and largest value of each integer dtype. */
const RANGES: Readonly<Record<IntegerDtype, readonly [bigint, bigint]>> = {
  I64: [-(2n ** 63n), 2n ** 63n - 1n],
  U64: [0n, 2n ** 64n - 1n],
  I32: [-(2n ** 31n), 2n ** 31n - 1n],
  U32: [0n, 2n ** 32n - 1n],
  I16: [-(2n ** 15n), 2n ** 15n - 1n],
  U16: [0n, 2n ** 16n - 1n],
  I8: [-128n, 127n],
  U8: [0n, 255n],
  BOOL: [0n, 1n],
};

/** sum += weight * input; a 64-bit integer is first rounded to the nearest float64. */
export const addIntegers = (
  dtype: IntegerDtype,
  memory: ArrayBuffer,
  elements: number,
  weight: number,
): void => {
  const sum = new Float64Array(memory, SUM, elements);
  const values = new DTYPES[dtype].array(memory, INPUT, elements);
  for (let i = 0; i < elements; i++) {
    sum[i] = (sum[i] as number) + weight * Number(values[i]);
  }
};

/** output = sum, rounded half to even and clamped to the dtype's range; NaN becomes 0. */
export const narrowIntegers = (
  dtype: IntegerDtype,
  memory: ArrayBuffer,
  elements: number,
): void => {
  const sum = new Float64Array(memory, SUM, elements);
  const values = new DTYPES[dtype].array(memory, OUTPUT, elements);
  const [min, max] = RANGES[dtype];
  const [low, high] = [Number(min), Number(max)]; // of I64 and U64, `high` is 1 above `max`
  const wide = values instanceof BigInt64Array || values instanceof BigUint64Array;
  for (let i = 0; i < elements; i++) {
    const rounded = roundHalfEven(sum[i] as number) || 0;
    if (!wide) values[i] = Math.min(Math.max(rounded, low), high);
    else values[i] = rounded >= high ? max : rounded <= low ? min : BigInt(rounded);
  }
};
