import * as v from 'valibot';
import { countNumber, nextPass, percentileOf, startPercentile } from '../privacy/percentile.ts';
import { fromFloat64, toFloat64 } from '../tensors/elements.ts';
import { between, Positive } from './args.ts';
import { defineFilter } from './define.ts';
import { isLearned, rounder, stepsOf } from './learned.ts';

const Args = v.strictObject({
  percentile: v.optional(between(0, 100), 10),
  gamma: v.optional(Positive, 0.01),
});

/**
 * Sends only large changes, and of those no more than `gamma` a step: values below the given percentile of all absolute
 * values become 0, the others are cut to +-gamma times the number of steps. No guarantee of privacy. Shokri and
 * Shmatikov 2015, "Privacy-Preserving Deep Learning"; FLARE's PercentilePrivacy, which also takes whole parameters and
 * buffers. As there, each operation is rounded to the tensor's dtype, and 0-d tensors count but stay as they are.
 */
export const percentilePrivacy = defineFilter(
  {
    name: 'percentile-privacy',
    needs: 'DIFF',
    on: { site: ['result'], server: [] },
    impliesPartial: false,
  },
  Args,
  ({ percentile, gamma }) => ({
    scan: {
      start: ({ meta, specs }) => {
        const wide = specs.some((spec) => isLearned(spec) && spec.dtype === 'F64');
        const search = startPercentile(percentile, wide);
        return { search, steps: stepsOf(meta), finite: true };
      },
      visit: (plan, chunk) => {
        if (!isLearned(chunk)) return plan;
        const round = rounder(chunk.dtype);
        for (const x of toFloat64(chunk.dtype, chunk.data)) {
          const size = Math.abs(round(x / plan.steps));
          if (size < Infinity) countNumber(plan.search, size);
          else plan.finite = false;
        }
        return plan;
      },
      fault: ({ finite }) =>
        finite ? undefined : { reason: 'non-finite', detail: 'the update is not finite' },
      again: ({ search }) => nextPass(search),
    },
    map: (chunk, { search, steps }) => {
      if (!isLearned(chunk) || chunk.shape.length === 0) return chunk.data;
      const cutoff = percentileOf(search);
      const round = rounder(chunk.dtype);
      const most = round(gamma);
      const values = toFloat64(chunk.dtype, chunk.data);
      for (let i = 0; i < values.length; i++) {
        const step = round((values[i] as number) / steps);
        const sent = Math.abs(step) < cutoff ? 0 : Math.min(Math.max(step, -most), most);
        values[i] = sent * steps;
      }
      return fromFloat64(chunk.dtype, values);
    },
  }),
);
