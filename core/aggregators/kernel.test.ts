import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembleKernel } from '../../scripts/build-kernel.ts';
import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype } from '../tensors/dtype.ts';
import { jsKernel } from './js-kernel.ts';
import type { Kernel } from './kernel.ts';
import { bytesOf, kernelSuite } from './kernel.suite.ts';
import { wasmKernel } from './wasm-kernel.ts';

const binary = readFileSync(new URL('kernel.wasm', import.meta.url));
const wasm = wasmKernel(new WebAssembly.Module(binary));
const js = jsKernel();

describe('wasm', () => kernelSuite(wasm));
describe('js', () => kernelSuite(js));

test('the checked-in kernel.wasm is what kernel.wat says', async () => {
  expect(Buffer.from(await assembleKernel()).equals(binary)).toBe(true);
});

/** Elements of a float dtype, finite: anything, with a liking for the edges. */
const finite = (dtype: Dtype): fc.Arbitrary<Uint8Array> => {
  const bits = (max: number, infinity: number) =>
    fc
      .array(
        fc.nat(max).filter((h) => (h & infinity) !== infinity),
        { maxLength: 40 },
      )
      .map((list) => bytesOf(Uint16Array.from(list)));
  if (dtype === 'F16') return bits(0xffff, 0x7c00);
  if (dtype === 'BF16') return bits(0xffff, 0x7f80);
  if (dtype === 'F32') {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    return fc.array(float, { maxLength: 40 }).map((list) => bytesOf(Float32Array.from(list)));
  }
  // Bounded, so that no sum is infinite and no NaN (whose bits are not specified) comes of it.
  const double = fc.double({ noNaN: true, min: -1e290, max: 1e290 });
  if (dtype === 'F64') {
    return fc.array(double, { maxLength: 40 }).map((list) => bytesOf(Float64Array.from(list)));
  }
  const width = DTYPES[dtype].bytes;
  return fc
    .array(fc.nat(255), { maxLength: 80 })
    .map((list) => Uint8Array.from(list.slice(0, list.length - (list.length % width))));
};
const anyWeight = fc.oneof(
  fc.double({ noNaN: true, min: 0, max: 1e9 }),
  fc.constantFrom(1 / 3, 1, 5e-324, 1e9),
);

const run = (kernel: Kernel, dtype: Dtype, data: Uint8Array, weights: number[], diff: boolean) => {
  const width = DTYPES[dtype].bytes;
  kernel.begin(data.length / width);
  weights.forEach((weight, i) => {
    // Another order of the same elements for each site.
    const turn = data.length === 0 ? 0 : (i * width) % data.length;
    const turned = Buffer.concat([data.subarray(turn), data.subarray(0, turn)]);
    kernel.add(dtype, turned, weight);
  });
  const divisor = weights.reduce((a, b) => a + b, 0) || 1;
  return diff ? kernel.finishDiff(dtype, data, divisor) : kernel.finishFull(dtype, divisor);
};

test.each(Object.keys(DTYPES) as Dtype[])('wasm and js give the same bytes: %s', (dtype) => {
  const weights = fc.array(anyWeight, { maxLength: 6 });
  fc.assert(
    fc.property(finite(dtype), weights, fc.boolean(), (data, list, diff) => {
      expect(run(wasm, dtype, data, list, diff)).toEqual(run(js, dtype, data, list, diff));
    }),
    { numRuns: 300 },
  );
});

test.each(['F16', 'BF16'] as const)('all %s values and all their midpoints', (dtype) => {
  const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80;
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
    (h) => (h & infinity) !== infinity,
  );
  const next = all.map((h) => (((h + 1) & infinity) === infinity ? h : h + 1));
  for (const share of [1, 0.999999, 1.000001]) {
    const results = [wasm, js].map((kernel) => {
      kernel.begin(all.length);
      kernel.add(dtype, bytesOf(all), 1);
      kernel.add(dtype, bytesOf(next), share);
      return kernel.finishFull(dtype, 1 + share);
    });
    expect(Buffer.compare(results[0] as Uint8Array, results[1] as Uint8Array)).toBe(0);
  }
});
