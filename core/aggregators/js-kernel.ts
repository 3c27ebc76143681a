import { roundInto } from '../tensors/elements.ts';
import { fromBf16, fromF16 } from '../tensors/half.ts';
import { INPUT, MEMORY_BYTES, OUTPUT, SUM } from './kernel-memory.ts';
import type { FloatDtype } from './kernel-memory.ts';
import { kernelOver } from './kernel-over.ts';
import type { FloatLoops } from './kernel-over.ts';
import type { Kernel } from './kernel.ts';

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
} as const;

/**
 * The kernel in plain JavaScript: for hosts without WebAssembly, and the reference for `wasmKernel`.
 * Half as fast at best (V8 decides), the same bytes.
 */
export const jsKernel = (): Kernel => kernelOver(jsLoops(new ArrayBuffer(MEMORY_BYTES)));

const jsLoops = (memory: ArrayBuffer): FloatLoops => {
  const sum = new Float64Array(memory, SUM, INPUT / 8);
  const viewAt = (dtype: FloatDtype, offset: number, bytes: number) => {
    const Elements = ARRAYS[dtype];
    return new Elements(memory, offset, bytes / Elements.BYTES_PER_ELEMENT);
  };

  return {
    memory,
    add(dtype, bytes, weight) {
      const values = viewAt(dtype, INPUT, bytes);
      if (dtype === 'F16') addHalves(sum, values, weight, fromF16);
      else if (dtype === 'BF16') addHalves(sum, values, weight, fromBf16);
      else if (dtype === 'F32') addSingles(sum, values, weight);
      else addDoubles(sum, values, weight);
    },
    divide(elements, divisor) {
      for (let i = 0; i < elements; i++) sum[i] = (sum[i] as number) / divisor;
    },
    narrow(dtype, bytes) {
      if (dtype === 'F64') return; // the sum is the output
      const values = viewAt(dtype, OUTPUT, bytes);
      roundInto(dtype, sum.subarray(0, values.length), values);
    },
    nonFinite(dtype, bytes) {
      const values = viewAt(dtype, INPUT, bytes);
      const at =
        dtype === 'F16'
          ? values.findIndex((x) => (x & 0x7c00) === 0x7c00)
          : dtype === 'BF16'
            ? values.findIndex((x) => (x & 0x7f80) === 0x7f80)
            : values.findIndex((x) => !Number.isFinite(x));
      return at * values.BYTES_PER_ELEMENT;
    },
  };
};

// One function per array type, so that V8 specialises each.
const addDoubles = (sum: Float64Array, values: ArrayLike<number>, weight: number): void => {
  for (let i = 0; i < values.length; i++)
    sum[i] = (sum[i] as number) + weight * (values[i] as number);
};
const addSingles = (sum: Float64Array, values: ArrayLike<number>, weight: number): void => {
  for (let i = 0; i < values.length; i++)
    sum[i] = (sum[i] as number) + weight * (values[i] as number);
};
const addHalves = (
  sum: Float64Array,
  values: ArrayLike<number>,
  weight: number,
  widen: (half: number) => number,
): void => {
  for (let i = 0; i < values.length; i++) {
    sum[i] = (sum[i] as number) + weight * widen(values[i] as number);
  }
};
