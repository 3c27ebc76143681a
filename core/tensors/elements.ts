import { DTYPES } from './dtype.ts';
import type { Dtype, TensorData } from './dtype.ts';
import { fromBf16, fromF16, roundHalfEven, toBf16, toF16 } from './half.ts';

/** Smallest and largest value of each integer dtype. */
const RANGES: Readonly<Partial<Record<Dtype, readonly [min: bigint, max: bigint]>>> = {
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

/** Elements that are numbers as they stand; F16 and BF16 are not. */
const isFloats = (data: TensorData): data is Float32Array | Float64Array =>
  data instanceof Float32Array || data instanceof Float64Array;

const widener = (dtype: Dtype): ((element: number) => number) =>
  dtype === 'F16' ? fromF16 : dtype === 'BF16' ? fromBf16 : Number;

/** Elements as float64: exact, but 64-bit integers beyond 2^53 round to the nearest. Always a copy. */
export const toFloat64 = (dtype: Dtype, data: TensorData): Float64Array<ArrayBuffer> => {
  const widen = widener(dtype);
  const values = new Float64Array(data.length);
  for (let i = 0; i < values.length; i++) values[i] = widen(data[i] as number);
  return values;
};

/** Shows the elements as float64, as `toFloat64` makes them, one by one. */
export const eachFloat64 = (dtype: Dtype, data: TensorData, visit: (x: number) => void): void => {
  if (isFloats(data)) for (let i = 0; i < data.length; i++) visit(data[i] as number);
  else {
    const widen = widener(dtype);
    for (let i = 0; i < data.length; i++) visit(widen(data[i] as number));
  }
};

/** Elements that `mapFloat64` has as float64 at once. */
const SOME = new Float64Array(4096);

/**
 * Elements of one dtype made into as many of another, each as float64 and rounded as `roundInto` does: `fromFloat64` of
 * `toFloat64`, without holding either for all.
 */
export const mapFloat64 = (
  from: Dtype,
  data: TensorData,
  to: Dtype,
  map: (x: number) => number,
): TensorData => {
  const widen = widener(from);
  const made = new DTYPES[to].array(data.length);
  for (let at = 0; at < data.length; at += SOME.length) {
    const values = SOME.subarray(0, Math.min(SOME.length, data.length - at));
    if (isFloats(data)) values.set(data.subarray(at, at + values.length));
    else for (let i = 0; i < values.length; i++) values[i] = widen(data[at + i] as number);
    for (let i = 0; i < values.length; i++) values[i] = map(values[i] as number);
    roundInto(to, values, made.subarray(at, at + values.length));
  }
  return made;
};

/** Float64 values as elements of a dtype, each rounded as `roundInto` does. */
export const fromFloat64 = (dtype: Dtype, values: Float64Array): TensorData => {
  const data = new DTYPES[dtype].array(values.length);
  roundInto(dtype, values, data);
  return data;
};

/**
 * Writes float64 values as elements of a dtype, each rounded once to the nearest, ties to even. Integers and BOOL (0 or
 * 1) are clamped to their range, and NaN becomes 0.
 */
export const roundInto = (dtype: Dtype, values: Float64Array, data: TensorData): void => {
  const range = RANGES[dtype];
  if (range) roundIntegers(range, values, data);
  else if (isFloats(data)) data.set(values);
  else {
    const round = dtype === 'F16' ? toF16 : toBf16;
    for (let i = 0; i < values.length; i++) data[i] = round(values[i] as number);
  }
};

const roundIntegers = (
  [min, max]: readonly [bigint, bigint],
  values: Float64Array,
  data: TensorData,
): void => {
  const [low, high] = [Number(min), Number(max)]; // of I64 and U64, `high` is 1 above `max`
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let i = 0; i < values.length; i++) {
    const rounded = roundHalfEven(values[i] as number) || 0; // NaN and -0 are 0
    if (!wide) data[i] = Math.min(Math.max(rounded, low), high);
    else data[i] = rounded >= high ? max : rounded <= low ? min : BigInt(rounded);
  }
};
