import * as v from 'valibot';
import { LIMITS } from './limits.ts';
import { DTYPES, type Dtype } from '../tensors/dtype.ts';
import type { Manifest } from '../tensors/manifest.ts';

const Dtype = v.picklist(Object.keys(DTYPES) as Dtype[]);
const Name = v.pipe(
  v.string(),
  v.minLength(1, 'at least 1 character'),
  v.maxLength(LIMITS.graphNameLength, `at most ${LIMITS.graphNameLength} characters`),
);
const Dimension = v.pipe(v.number(), v.integer(), v.minValue(0));
const Shape = v.array(Dimension);
const Input = v.object({ input: Name, dtype: Dtype, shape: v.array(v.union([Dimension, Name])) });

/** Schema of a program's manifest ({@link Manifest}), for a spec that comes over the wire. */
export const ManifestSchema: v.GenericSchema<unknown, Manifest> = v.object({
  version: v.literal(1),
  kind: v.picklist(['train', 'evaluate', 'predict', 'gradients']),
  target: v.exactOptional(v.picklist(['wasm', 'webgpu', 'native'])),
  loop: v.exactOptional(v.boolean()),
  parameters: v.array(
    v.object({
      name: Name,
      dtype: Dtype,
      shape: Shape,
      role: v.picklist(['trainable', 'buffer', 'frozen']),
      input: Name,
      output: v.exactOptional(Name),
      gradient: v.exactOptional(Name),
    }),
  ),
  state: v.array(v.object({ name: Name, dtype: Dtype, shape: Shape, input: Name, output: Name })),
  inputs: v.object({
    x: Input,
    more: v.exactOptional(v.array(Input)),
    y: v.exactOptional(Input),
    lr: v.exactOptional(Input),
    seed: v.exactOptional(Input),
    step: v.exactOptional(Input),
    mu: v.exactOptional(Input),
  }),
  terms: v.exactOptional(
    v.array(
      v.object({
        kind: v.picklist(['received', 'control', 'noise']),
        name: Name,
        dtype: Dtype,
        shape: Shape,
        input: Name,
      }),
    ),
  ),
  metrics: v.array(
    v.object({
      name: Name,
      output: Name,
      kind: v.picklist(['sum', 'mean']),
      count: v.exactOptional(Name),
    }),
  ),
  clip: v.exactOptional(v.number()),
  adapters: v.exactOptional(
    v.array(
      v.object({
        weight: Name,
        a: Name,
        b: Name,
        scale: v.number(),
        transposed: v.boolean(),
        changed: v.exactOptional(Name),
      }),
    ),
  ),
  outputs: v.exactOptional(v.array(Input)),
  optimizer: v.exactOptional(
    v.objectWithRest({ name: v.string() }, v.union([v.string(), v.number(), v.boolean()])),
  ),
});
