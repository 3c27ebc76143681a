import type { Dtype } from '../tensors/dtype.ts';

/** Bytes of tensor data that a kernel takes at once: a row of the result store. */
export const MAX_CHUNK = 2 ** 20;

/** Bytes with a buffer of their own, which the receiver may keep, or free with `buffer.transfer(0)`. */
export type OwnedBytes = Uint8Array<ArrayBuffer>;

/**
 * The arithmetic of a fold over one chunk: at most 1 MiB of one tensor's bytes, little-endian, at any address. Sums are
 * kept in float64. All implementations give the same bytes for finite input (`kernel.suite.ts`).
 *
 * `begin`, then `add` per site, then one `finish`; `firstNonFinite` may be called at any time. Calls are synchronous, so
 * one kernel serves a whole process. All throw RangeError where bytes are not the elements they should be.
 */
export interface Kernel {
  /** Starts a sum of this many elements at zero, or goes on with one that `sum` gave. */
  begin(elements: number, sum?: Uint8Array): void;
  /** The sum so far, 8 bytes an element: it may be put aside for other sums. */
  sum(): OwnedBytes;
  /**
   * sum[i] += weight * float64(v[i]), each operation rounded once. Every dtype but 64-bit integers widens exactly; those
   * round to the nearest float64 beyond 2^53. The bytes are read before it returns.
   */
  add(dtype: Dtype, bytes: Uint8Array, weight: number): void;
  /**
   * The mean sum[i] / divisor, rounded once to the dtype, ties to even; F16 and BF16 directly from float64. Integers and
   * BOOL (0 or 1) are clamped to their range, and NaN becomes 0. Ends the sum.
   */
  finishFull(dtype: Dtype, divisor: number): OwnedBytes;
  /** float64(global[i]) + sum[i] / divisor, rounded once to the dtype as above. Ends the sum. */
  finishDiff(dtype: Dtype, globalBytes: Uint8Array, divisor: number): OwnedBytes;
  /** Index of the first element that is NaN or infinite, or -1. Leaves a sum alone. */
  firstNonFinite(dtype: Dtype, bytes: Uint8Array): number;
}
