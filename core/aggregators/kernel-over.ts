import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype } from '../tensors/dtype.ts';
import { roundInto } from '../tensors/elements.ts';
import { MAX_CHUNK } from './kernel.ts';
import type { Kernel, OwnedBytes } from './kernel.ts';
import { INPUT, OUTPUT, SUM } from './kernel-memory.ts';
import type { FloatDtype } from './kernel-memory.ts';

const isFloat = (dtype: Dtype): dtype is FloatDtype => DTYPES[dtype].float;

/** Loops read whole blocks of 16 bytes; what lies between the last element and the block's end is zero. */
const BLOCK = 16;
const wholeBlocks = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;

/** The loops over float elements, which differ between kernels; `bytes` counts dtype bytes in whole blocks. */
export interface FloatLoops {
  readonly memory: ArrayBuffer;
  /** sum += weight * input */
  add(dtype: FloatDtype, bytes: number, weight: number): void;
  /** sum /= divisor, for all dtypes; `elements` is even */
  divide(elements: number, divisor: number): void;
  /** output = sum, rounded */
  narrow(dtype: FloatDtype, bytes: number): void;
  /** Byte offset in the input of the first element that is not finite, or -1. */
  nonFinite(dtype: FloatDtype, bytes: number): number;
}

/** A kernel around float loops. Integers are rare in models: all kernels share the JavaScript for them. */
export const kernelOver = (loops: FloatLoops): Kernel => {
  const { memory } = loops;
  const sum = new Float64Array(memory, SUM, MAX_CHUNK);
  const input = new Uint8Array(memory, INPUT, MAX_CHUNK);
  let elements = 0;

  const load = (bytes: Uint8Array): void => {
    if (bytes.length > MAX_CHUNK) {
      throw new RangeError(`a chunk of ${bytes.length} bytes; at most ${MAX_CHUNK}`);
    }
    input.set(bytes);
    input.fill(0, bytes.length, wholeBlocks(bytes.length));
  };

  const addIntegers = (dtype: Dtype, weight: number): void => {
    const values = new DTYPES[dtype].array(memory, INPUT, elements);
    for (let i = 0; i < elements; i++) sum[i] = (sum[i] as number) + weight * Number(values[i]);
  };

  const add = (dtype: Dtype, bytes: Uint8Array, weight: number): void => {
    const expected = elements * DTYPES[dtype].bytes;
    if (bytes.length !== expected) {
      throw new RangeError(`${bytes.length} bytes for ${elements} ${dtype} elements (${expected})`);
    }
    load(bytes);
    if (isFloat(dtype)) loops.add(dtype, wholeBlocks(bytes.length), weight);
    else addIntegers(dtype, weight);
  };

  const divide = (divisor: number): void => loops.divide(elements + (elements & 1), divisor);

  const narrow = (dtype: Dtype): OwnedBytes => {
    const bytes = elements * DTYPES[dtype].bytes;
    if (isFloat(dtype)) loops.narrow(dtype, wholeBlocks(bytes));
    else
      roundInto(
        dtype,
        sum.subarray(0, elements),
        new DTYPES[dtype].array(memory, OUTPUT, elements),
      );
    const from = dtype === 'F64' ? SUM : OUTPUT;
    return new Uint8Array(memory, from, bytes).slice();
  };

  return {
    begin(count, before) {
      if (!Number.isInteger(count) || count < 0 || count > MAX_CHUNK) {
        throw new RangeError(`${count} elements; at most ${MAX_CHUNK}`);
      }
      if (before && before.length !== 8 * count) {
        throw new RangeError(`a sum of ${before.length} bytes for ${count} elements`);
      }
      elements = count;
      sum.fill(0, 0, Math.min(wholeBlocks(count), MAX_CHUNK));
      if (before) new Uint8Array(memory, SUM).set(before);
    },
    sum: () => new Uint8Array(memory, SUM, 8 * elements).slice(),
    add,
    finishFull(dtype, divisor) {
      divide(divisor);
      return narrow(dtype);
    },
    finishDiff(dtype, globalBytes, divisor) {
      divide(divisor);
      add(dtype, globalBytes, 1);
      return narrow(dtype);
    },
    firstNonFinite(dtype, bytes) {
      if (!isFloat(dtype)) return -1;
      const width = DTYPES[dtype].bytes;
      if (bytes.length % width !== 0) {
        throw new RangeError(`${bytes.length} bytes are not whole ${dtype} elements`);
      }
      load(bytes);
      const at = loops.nonFinite(dtype, wholeBlocks(bytes.length));
      return at < 0 ? -1 : at / width;
    },
  };
};
