import * as v from 'valibot';
import { mapFloat64 } from '../tensors/elements.ts';
import { Positive } from './args.ts';
import { defineFilter } from './define.ts';
import { isLearned } from './learned.ts';
import { normScan } from './norm-scan.ts';

const Args = v.strictObject({ norm: Positive });

/**
 * Scales an update so that the L2 norm over all its trainable tensors together is at most `norm`; a shorter one is left
 * as it is. Buffers and integers are neither counted nor changed. McMahan et al. 2018, "Learning Differentially Private
 * Recurrent Language Models", flat clipping; squares are summed in float64.
 */
export const clip = defineFilter(
  {
    name: 'clip',
    needs: 'DIFF',
    on: { site: ['result'], server: ['result'] },
    impliesPartial: false,
  },
  Args,
  ({ norm }) => ({
    scan: normScan,
    map: (chunk, squares: number) => {
      const length = Math.sqrt(squares);
      if (length <= norm || !isLearned(chunk)) return chunk.data;
      const { dtype, data } = chunk;
      return mapFloat64(dtype, data, dtype, (x) => x * (norm / length));
    },
  }),
);
