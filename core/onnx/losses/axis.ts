import type { Dim } from '../dim.ts';
import { refuse } from '../fault.ts';

/** The axis counted from the front; refuses one that the output doesn't have, and the batch's own. */
export const axisOf = (axis: number, shape: readonly Dim[], output: string): number => {
  const from = axis < 0 ? axis + shape.length : axis;
  return Number.isInteger(from) && from > 0 && from < shape.length
    ? from
    : refuse({
        reason: 'loss_mismatch',
        expected: `an output with an axis ${axis} besides the batch's`,
        got: `${output} ${JSON.stringify(shape)}`,
      });
};
