import type { Aggregator, Chunk, Slice } from './aggregator.ts';
import type { OwnedBytes } from './kernel.ts';

/** Adds updates to the kernel's sum. -> the sum of the weights */
const addAll = (slices: Iterable<Slice>, { kernel, dtype }: Chunk, before: number): number => {
  let divisor = before;
  for (const { weight, bytes } of slices) {
    kernel.add(dtype, bytes, weight);
    divisor += weight;
  }
  return divisor;
};

/** Makes the mean of the kernel's sum. */
const divide = ({ kernel, dtype, paramsType, global }: Chunk, divisor: number): OwnedBytes => {
  if (divisor === 0) return new Uint8Array(global());
  return paramsType === 'FULL'
    ? kernel.finishFull(dtype, divisor)
    : kernel.finishDiff(dtype, global(), divisor);
};

const divisorOf = (sum: Uint8Array): number =>
  new DataView(sum.buffer, sum.byteOffset).getFloat64(0, true);

/**
 * The weighted mean: acc = sum over sites of f64(w) * f64(v), then acc / sum of w: one division per element, never a
 * product with w / sum (float32 weights of 1/3 make 7 into 7.0000005). FULL rounds that once to the model's dtype, DIFF
 * rounds f64(global) + mean once. McMahan et al. 2017, Algorithm 1; FLARE's WeightedAggregationHelper.
 */
export const mean: Aggregator = {
  name: 'mean',
  fold(slices, chunk) {
    chunk.kernel.begin(chunk.elements);
    return divide(chunk, addAll(slices, chunk, 0));
  },
  // The sum of the weights, then the kernel's sums: float64, so nothing is rounded between batches.
  batches: {
    bytes: (elements) => 8 + 8 * elements,
    add(sum, slices, chunk) {
      chunk.kernel.begin(chunk.elements, sum?.subarray(8));
      const divisor = addAll(slices, chunk, sum ? divisorOf(sum) : 0);
      const sums = chunk.kernel.sum();
      const next = new Uint8Array(8 + sums.length);
      new DataView(next.buffer).setFloat64(0, divisor, true);
      next.set(sums, 8);
      sums.buffer.transfer(0);
      return next;
    },
    finish(sum, chunk) {
      chunk.kernel.begin(chunk.elements, sum.subarray(8));
      return divide(chunk, divisorOf(sum));
    },
  },
};
