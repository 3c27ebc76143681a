import type { Quantization } from '../../core/filters/filter.ts';
import type { Codec } from '../../core/filters/quantization/codec.ts';
import { finiteHeads } from '../../core/filters/quantization/finite-heads.ts';
import { decodeQuantization, quantizedSpecs } from '../../core/filters/quantization/metadata.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import { findCodec } from '../../core/filters/quantization/registry.ts';
import type { Fault, FieldError } from '../../core/protocol/fault.ts';
import { packLayout } from '../../core/tensors/layout.ts';
import type { Layout, TensorSpec } from '../../core/tensors/layout.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { spansOf } from '../bytes/spans.ts';
import type { NonFinite } from '../bytes/spans.ts';
import { invalid } from '../http/content-fault.ts';

/** How an upload's tensors are quantised. */
export interface Coding {
  readonly quantization: Quantization;
  readonly codec: Codec;
  /** What each coded tensor was, by name. */
  readonly before: ReadonlyMap<string, TensorSpec>;
}

const refuse = (errors: readonly FieldError[]): Result<never, Fault> => {
  const detail = 'the tensors are not quantised as __metadata__.quantization says';
  const inFile = errors.map((error) => ({ ...error, path: `__metadata__.${error.path}` }));
  return err(invalid('INVALID_QUANTIZATION', detail, ...inFile));
};

/**
 * What a result's header says of its quantisation, and the layout that a model's tensors have then; undefined where none of
 * them is coded. Declines what can't be so of the model.
 */
export const readCoding = (
  { metadata }: Layout,
  model: Layout | null,
): Result<{ readonly coding: Coding; readonly wanted: Layout } | undefined, Fault> => {
  const text = metadata.get(QUANTIZATION_KEY);
  if (text === undefined) return ok(undefined);
  const decoded = decodeQuantization(text);
  if (!decoded.ok) return refuse(decoded.error);
  const specs = quantizedSpecs(model?.entries ?? [], decoded.value);
  if (!specs.ok) return refuse(specs.error);
  if (decoded.value.tensors.length === 0) return ok(undefined);
  return ok({ coding: codingOf(decoded.value), wanted: packLayout(specs.value) });
};

/** A quantisation that was checked, ready to be undone. */
export const codingOf = (quantization: Quantization): Coding => ({
  quantization,
  codec: findCodec(quantization.type) as Codec,
  before: new Map(quantization.tensors.map((spec) => [spec.name, spec])),
});

/** Looks for codes that stand for no finite number, in the bytes of a data region as they arrive, in order. */
export const codedCheck = (
  layout: Layout,
  { codec, before }: Coding,
): ((from: number, bytes: Uint8Array) => NonFinite | undefined) => {
  let tensor = '';
  let feed: ReturnType<typeof finiteHeads> | undefined;
  return (from, bytes) => {
    for (const { entry, begin, end } of spansOf(layout, from, from + bytes.length)) {
      const was = before.get(entry.name);
      // Codes that are floats are checked as such.
      if (!was || entry.dtype !== 'U8') continue;
      if (!feed || tensor !== entry.name) feed = finiteHeads(codec, was.dtype);
      tensor = entry.name;
      const block = feed(bytes.subarray(begin - from, end - from));
      if (block >= 0) return { tensor, index: block * codec.elements };
    }
    return undefined;
  };
};
