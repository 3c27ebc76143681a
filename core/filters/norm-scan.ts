import { eachFloat64 } from '../tensors/elements.ts';
import type { Filter } from './filter.ts';
import { isLearned } from './learned.ts';

/** A scan for the square of the L2 norm over all learned tensors together; declines one that isn't finite. */
export const normScan: NonNullable<Filter<number>['scan']> = {
  start: () => 0,
  visit: (squares, chunk) => {
    if (!isLearned(chunk)) return squares;
    let sum = squares;
    eachFloat64(chunk.dtype, chunk.data, (x) => (sum += x * x));
    return sum;
  },
  fault: (squares) =>
    Number.isFinite(squares)
      ? undefined
      : { reason: 'non-finite', detail: 'the norm is not finite' },
};
