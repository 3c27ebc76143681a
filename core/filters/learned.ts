import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype } from '../tensors/dtype.ts';
import { fromBf16, fromF16, toBf16, toF16 } from '../tensors/half.ts';
import type { FilterChunk, Subject } from './filter.ts';

/** Whether a tensor is learned: clip, noise and thresholds are for these; buffers and integers are counted by their program. */
export const isLearned = ({ role, dtype }: Pick<FilterChunk, 'role' | 'dtype'>): boolean =>
  role === 'trainable' && DTYPES[dtype].float;

/** FLARE's NUM_STEPS_CURRENT_ROUND: 1 where it is missing, non-finite or not above 0. */
export const stepsOf = ({ NUM_STEPS_CURRENT_ROUND: steps }: Subject['meta']): number =>
  typeof steps === 'number' && Number.isFinite(steps) && steps > 0 ? steps : 1;

/** The value of a dtype that is nearest to a float64. */
export const rounder = (dtype: Dtype): ((x: number) => number) => {
  if (dtype === 'F32') return Math.fround;
  if (dtype === 'F16') return (x) => fromF16(toF16(x));
  if (dtype === 'BF16') return (x) => fromBf16(toBf16(x));
  return (x) => x;
};
