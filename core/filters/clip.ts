import * as v from 'valibot';
import { DTYPES } from '../tensors/dtype.ts';
import { fromFloat64, toFloat64 } from '../tensors/elements.ts';
import { defineFilter } from './define.ts';
import type { FilterChunk } from './filter.ts';

const Args = v.strictObject({
  norm: v.pipe(v.number(), v.finite('a finite number'), v.gtValue(0, 'a number > 0')),
});

const clipped = ({ role, dtype }: FilterChunk): boolean =>
  role === 'trainable' && DTYPES[dtype].float;

/**
 * Scales an update so that the L2 norm over all its trainable tensors together is at most `norm`; a shorter one is left
 * as it is. Buffers and integers are neither counted nor changed. McMahan et al. 2018, "Learning Differentially Private
 * Recurrent Language Models", flat clipping; squares are summed in float64.
 */
export const clip = defineFilter(
  { name: 'clip', needs: 'DIFF', at: ['site'], on: ['result'], impliesPartial: false },
  Args,
  ({ norm }) => ({
    scan: {
      start: () => 0,
      visit: (squares: number, chunk) => {
        if (!clipped(chunk)) return squares;
        for (const x of toFloat64(chunk.dtype, chunk.data)) squares += x * x;
        return squares;
      },
      fault: (squares) => (Number.isFinite(squares) ? undefined : 'the norm is not finite'),
    },
    map: (chunk, squares) => {
      const length = Math.sqrt(squares);
      if (length <= norm || !clipped(chunk)) return chunk.data;
      const values = toFloat64(chunk.dtype, chunk.data);
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * (norm / length);
      return fromFloat64(chunk.dtype, values);
    },
  }),
);
