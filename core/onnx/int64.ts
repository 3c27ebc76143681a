const GREATEST = 2n ** 63n - 1n;

/** Numbers as int64. The greatest of them, an open end in slices, is rounded up as a number, and would turn negative. */
export const int64 = (values: readonly number[]): BigInt64Array<ArrayBuffer> =>
  BigInt64Array.from(values, (value) => (value >= 2 ** 63 ? GREATEST : BigInt(value)));
