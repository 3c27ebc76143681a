import type { Aggregator } from './aggregator.ts';

/**
 * The weighted mean: acc = sum over sites of f64(w) * f64(v), then acc / sum of w: one division per element, never a
 * product with w / sum (float32 weights of 1/3 make 7 into 7.0000005). FULL rounds that once to the model's dtype, DIFF
 * rounds f64(global) + mean once. McMahan et al. 2017, Algorithm 1; FLARE's WeightedAggregationHelper.
 */
export const mean: Aggregator = {
  name: 'mean',
  fold(slices, { kernel, dtype, elements, paramsType, global }) {
    let divisor = 0;
    kernel.begin(elements);
    for (const { weight, bytes } of slices) {
      kernel.add(dtype, bytes, weight);
      divisor += weight;
    }
    if (divisor === 0) return new Uint8Array(global());
    return paramsType === 'FULL'
      ? kernel.finishFull(dtype, divisor)
      : kernel.finishDiff(dtype, global(), divisor);
  },
};
