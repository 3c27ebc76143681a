/**
 * Speed of the fold's inner loops alone, in this Node: MB of input per second over 1 MiB chunks, best and median of 15
 * passes of 32 chunks. `node bench/kernel.ts`
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { jsKernel } from '../core/aggregators/js-kernel.ts';
import { MAX_CHUNK } from '../core/aggregators/kernel.ts';
import type { Kernel } from '../core/aggregators/kernel.ts';
import { wasmKernel } from '../core/aggregators/wasm-kernel.ts';
import { DTYPES } from '../core/tensors/dtype.ts';
import type { Dtype } from '../core/tensors/dtype.ts';
import { fromFloat64 } from '../core/tensors/elements.ts';

const PASSES = 15;
const CHUNKS = 32;

/** Distinct chunks: 32 MiB, more than the caches of a core hold, though a big shared one may. */
const chunksOf = (dtype: Dtype): Uint8Array[] => {
  const values = Float64Array.from(
    { length: MAX_CHUNK / DTYPES[dtype].bytes },
    (_, i) => (i % 97) - 48,
  );
  const bytes = new Uint8Array(fromFloat64(dtype, values).buffer as ArrayBuffer);
  return Array.from({ length: CHUNKS }, () => bytes.slice());
};

const speeds = (pass: () => void): { best: number; median: number } => {
  const rates = Array.from({ length: PASSES }, () => {
    const start = performance.now();
    pass();
    return (CHUNKS * MAX_CHUNK) / 1000 / (performance.now() - start);
  }).toSorted((a, b) => b - a);
  return { best: Math.round(rates[0] ?? 0), median: Math.round(rates[PASSES >> 1] ?? 0) };
};

const wasm = readFileSync(new URL('../core/aggregators/kernel.wasm', import.meta.url));
const kernels: readonly (readonly [string, Kernel])[] = [
  ['wasm', wasmKernel(new WebAssembly.Module(wasm))],
  ['js', jsKernel()],
];

console.log(`${cpus()[0]?.model}, Node ${process.version}; MB/s of input`);
const rows = [];
for (const dtype of ['F32', 'F64', 'F16', 'BF16'] as const) {
  const chunks = chunksOf(dtype);
  const elements = MAX_CHUNK / DTYPES[dtype].bytes;
  for (const [name, kernel] of kernels) {
    const add = speeds(() => {
      kernel.begin(elements);
      for (const chunk of chunks) kernel.add(dtype, chunk, 1.5);
    });
    const fold8 = speeds(() => {
      for (let i = 0; i < CHUNKS; i += 8) {
        kernel.begin(elements);
        for (const chunk of chunks.slice(i, i + 8)) kernel.add(dtype, chunk, 1.5);
        kernel.finishFull(dtype, 12);
      }
    });
    const check = speeds(() => {
      for (const chunk of chunks) kernel.firstNonFinite(dtype, chunk);
    });
    const show = ({ best, median }: typeof add): string => `${best} (${median})`;
    rows.push({
      dtype,
      kernel: name,
      add: show(add),
      'fold of 8': show(fold8),
      'finite check': show(check),
    });
  }
}
console.log('best (median)');
console.table(rows);
