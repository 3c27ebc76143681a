import * as v from 'valibot';
import { eachFloat64 } from '../tensors/elements.ts';
import { DTYPES } from '../tensors/dtype.ts';
import { ok } from '../tensors/result.ts';
import { defineFilter } from './define.ts';
import type { Subject } from './filter.ts';
import { codecTypes, codes, findCodec } from './quantization/registry.ts';
import type { Codec } from './quantization/codec.ts';

const Args = v.strictObject({
  quantizationType: v.optional(v.picklist(codecTypes), 'float16'),
});

/** Whether there is something to quantise: parameters, and not already done. */
const applies = ({ kind, quantization }: Subject): boolean =>
  (kind === 'WEIGHTS' || kind === 'WEIGHT_DIFF') && quantization === undefined;

/**
 * Sends floats in fewer bits: `float16`, `blockwise8`, `float4` or `normfloat4`. Tensors of narrower floats and integers
 * stay. FLARE's ModelQuantizer(quantization_type), without its need of a GPU.
 */
export const modelQuantizer = defineFilter(
  {
    name: 'model-quantizer',
    needs: 'DIFF',
    on: { site: ['result'], server: ['data'] },
    impliesPartial: false,
  },
  Args,
  ({ quantizationType: type }) => {
    const codec = findCodec(type) as Codec;
    return {
      wire: 'out',
      about: (subject) => {
        if (!applies(subject)) return ok({});
        const tensors = subject.specs
          .filter((spec) => codes(codec, spec))
          .map(({ name, dtype, shape }) => ({ name, dtype, shape }));
        return ok({ quantization: { type, tensors } });
      },
      scan: {
        start: (subject) => ({ active: applies(subject), finite: true }),
        visit: (plan, { dtype, data }) => {
          if (!plan.active || !DTYPES[dtype].float) return plan;
          let { finite } = plan;
          eachFloat64(dtype, data, (x) => (finite &&= Number.isFinite(x)));
          return finite ? plan : { ...plan, finite };
        },
        fault: ({ finite }) =>
          finite ? undefined : { reason: 'non-finite', detail: 'the update is not finite' },
      },
      becomes: (spec, { active }) => (active && codes(codec, spec) ? codec.becomes(spec) : spec),
      block: (spec, { active }) => (active && codes(codec, spec) ? codec.elements : 1),
      map: (chunk, { active }) =>
        active && codes(codec, chunk) ? codec.encode(chunk, chunk.data) : chunk.data,
    };
  },
);
