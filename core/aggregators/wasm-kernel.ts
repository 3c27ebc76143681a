import { INPUT, OUTPUT, SUM } from './kernel-memory.ts';
import type { FloatDtype } from './kernel-memory.ts';
import { kernelOver } from './kernel-over.ts';
import type { FloatLoops } from './kernel-over.ts';
import type { Kernel } from './kernel.ts';

/** What kernel.wat exports; addresses and sizes in bytes. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly add_f64: Add;
  readonly add_f32: Add;
  readonly add_f16: Add;
  readonly add_bf16: Add;
  readonly divide: (sum: number, end: number, divisor: number) => void;
  readonly narrow_f32: (sum: number, output: number, end: number) => void;
  readonly narrow_16: (sum: number, output: number, end: number, m: number, low: number) => void;
  readonly non_finite_f64: (input: number, end: number) => number;
  readonly non_finite_f32: (input: number, end: number) => number;
  readonly non_finite_16: (input: number, end: number, exponent: number) => number;
}
type Add = (sum: number, input: number, end: number, weight: number) => void;

/** The kernel on WebAssembly SIMD, from the compiled `kernel.wasm`. Takes 10 MiB. */
export const wasmKernel = (module: WebAssembly.Module): Kernel => {
  const instance = new WebAssembly.Instance(module);
  return kernelOver(wasmLoops(instance.exports as unknown as Exports));
};

const wasmLoops = (wasm: Exports): FloatLoops => {
  const adds = { F64: wasm.add_f64, F32: wasm.add_f32, F16: wasm.add_f16, BF16: wasm.add_bf16 };
  const narrows: Record<FloatDtype, (end: number) => void> = {
    F64: () => {}, // the sum is the output
    F32: (end) => wasm.narrow_f32(SUM, OUTPUT, end),
    F16: (end) => wasm.narrow_16(SUM, OUTPUT, end, 10, -14),
    BF16: (end) => wasm.narrow_16(SUM, OUTPUT, end, 7, -126),
  };
  const searches: Record<FloatDtype, (end: number) => number> = {
    F64: (end) => wasm.non_finite_f64(INPUT, end),
    F32: (end) => wasm.non_finite_f32(INPUT, end),
    F16: (end) => wasm.non_finite_16(INPUT, end, 0x7c00),
    BF16: (end) => wasm.non_finite_16(INPUT, end, 0x7f80),
  };
  return {
    memory: wasm.memory.buffer,
    add: (dtype, bytes, weight) => adds[dtype](SUM, INPUT, INPUT + bytes, weight),
    divide: (elements, divisor) => wasm.divide(SUM, SUM + 8 * elements, divisor),
    narrow: (dtype, bytes) => narrows[dtype](OUTPUT + bytes),
    nonFinite: (dtype, bytes) => {
      const at = searches[dtype](INPUT + bytes);
      return at < 0 ? -1 : at - INPUT;
    },
  };
};
