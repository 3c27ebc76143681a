import * as v from 'valibot';
import { err, ok } from '../tensors/result.ts';
import type { TensorSpec } from '../tensors/layout.ts';
import { sizeOf } from '../tensors/tensor.ts';
import { defineFilter } from './define.ts';
import type { Codec } from './quantization/codec.ts';
import { findCodec } from './quantization/registry.ts';
import { quantizedSpecs } from './quantization/metadata.ts';

/** What is needed to undo a quantisation; null where there is none. */
type Plan = { readonly codec: Codec; readonly before: ReadonlyMap<string, TensorSpec> } | null;

/** Turns quantised tensors back into what they were, as far as that is known. FLARE's ModelDequantizer. */
export const modelDequantizer = defineFilter(
  {
    name: 'model-dequantizer',
    needs: 'ANY',
    on: { site: ['data'], server: ['result'] },
    impliesPartial: false,
  },
  v.strictObject({}),
  () => ({
    wire: 'in',
    about: ({ quantization, specs }) => {
      if (!quantization) return ok({});
      const now = new Map(specs.map((spec) => [spec.name, spec]));
      const coded = quantizedSpecs(quantization.tensors, quantization);
      if (!coded.ok) return err({ reason: 'malformed', detail: detailOf(coded.error[0]) });
      const odd = coded.value.find(({ name, dtype, shape }) => {
        const spec = now.get(name);
        return spec && (spec.dtype !== dtype || spec.shape.join() !== shape.join());
      });
      if (!odd) return ok({ quantization: null });
      return err({ reason: 'malformed', detail: `'${odd.name}' is not ${quantization.type}` });
    },
    scan: {
      start: ({ quantization }): Plan => {
        const codec = quantization && findCodec(quantization.type);
        if (!codec) return null;
        return { codec, before: new Map(quantization.tensors.map((spec) => [spec.name, spec])) };
      },
    },
    becomes: (spec, plan: Plan) => plan?.before.get(spec.name) ?? spec,
    block: ({ name }, plan) => (plan?.before.has(name) ? plan.codec.coded(plan.codec.elements) : 1),
    map: (chunk, plan) => {
      const before = plan?.before.get(chunk.name);
      if (!plan || !before) return chunk.data;
      const { codec } = plan;
      const whole = codec.coded(codec.elements);
      const first = (chunk.offset / whole) * codec.elements;
      const most = Math.ceil(chunk.data.length / whole) * codec.elements;
      const count = Math.min(most, sizeOf(before.shape) - first);
      return codec.decode(before, chunk.data, count);
    },
  }),
);

const detailOf = (error: { path: string; expected: string; got: string } | undefined): string =>
  `${error?.path}: ${error?.got}, expected ${error?.expected}`;
