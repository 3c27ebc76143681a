import * as v from 'valibot';
import { fromFloat64, toFloat64 } from '../tensors/elements.ts';
import { shown } from '../tensors/fault.ts';
import { err, ok } from '../tensors/result.ts';
import { defineFilter } from './define.ts';

const DIRECTIONS = {
  weights_to_diff: { from: 'WEIGHTS', to: 'WEIGHT_DIFF', sign: -1 },
  diff_to_weights: { from: 'WEIGHT_DIFF', to: 'WEIGHTS', sign: 1 },
} as const;

const Args = v.strictObject({ direction: v.picklist(['weights_to_diff', 'diff_to_weights']) });

/**
 * Turns whole parameters into their difference from the model received, or back: one rounding an element, to its dtype.
 * What is there already stays. FLARE's ConvertWeights, which lets a result go unconverted where the model received isn't
 * at hand, lacks a tensor or is quantised; here that is declined.
 */
export const convertWeights = defineFilter(
  {
    name: 'convert-weights',
    needs: 'ANY',
    on: { site: ['result'], server: [] },
    impliesPartial: false,
  },
  Args,
  ({ direction }) => {
    const { from, to, sign } = DIRECTIONS[direction];
    return {
      about: ({ kind, specs, received, quantization }) => {
        if (kind !== from) return ok({});
        if (quantization) {
          return err({ reason: 'quantized', detail: `takes numbers, got ${quantization.type}` });
        }
        const odd = specs.find(({ name, dtype, shape }) => {
          const base = received?.get(name);
          return base?.dtype !== dtype || base.shape.join() !== shape.join();
        });
        if (!odd) return ok({ kind: to });
        const detail = `'${shown(odd.name)}' has no counterpart in the model received`;
        return err({ reason: 'no-reference', detail });
      },
      scan: { start: ({ kind }) => kind === from },
      map: (chunk, convert: boolean) => {
        if (!convert) return chunk.data;
        const values = toFloat64(chunk.dtype, chunk.data);
        const base = toFloat64(chunk.dtype, chunk.received());
        for (let i = 0; i < values.length; i++) {
          values[i] = (values[i] as number) + sign * (base[i] as number);
        }
        return fromFloat64(chunk.dtype, values);
      },
    };
  },
);
