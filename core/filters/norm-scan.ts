import { toFloat64 } from '../tensors/elements.ts';
import type { Filter } from './filter.ts';
import { isLearned } from './learned.ts';

/** A scan for the square of the L2 norm over all learned tensors together; declines one that isn't finite. */
export const normScan: NonNullable<Filter<number>['scan']> = {
  start: () => 0,
  visit: (squares, chunk) => {
    if (!isLearned(chunk)) return squares;
    for (const x of toFloat64(chunk.dtype, chunk.data)) squares += x * x;
    return squares;
  },
  fault: (squares) =>
    Number.isFinite(squares)
      ? undefined
      : { reason: 'non-finite', detail: 'the norm is not finite' },
};
