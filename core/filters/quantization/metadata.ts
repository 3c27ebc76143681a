import * as v from 'valibot';
import { checked } from '../../protocol/field-errors.ts';
import type { FieldError } from '../../protocol/fault.ts';
import { QUANTIZATION_KEY } from '../../protocol/fl-model.ts';
import { DTYPES } from '../../tensors/dtype.ts';
import type { Dtype } from '../../tensors/dtype.ts';
import { shown } from '../../tensors/fault.ts';
import { byteSize } from '../../tensors/layout.ts';
import type { TensorSpec } from '../../tensors/layout.ts';
import { err, ok } from '../../tensors/result.ts';
import type { Result } from '../../tensors/result.ts';
import type { Quantization } from '../filter.ts';
import { codecTypes, codes, findCodec } from './registry.ts';

/** Tensors as rows: as an object's keys, `__proto__` and `1` would be more than names. */
const Schema = v.strictObject({
  type: v.picklist(codecTypes),
  tensors: v.array(
    v.strictTuple([
      v.string(),
      v.picklist(Object.keys(DTYPES) as Dtype[]),
      v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
    ]),
  ),
});

/** The metadata's text. */
export const encodeQuantization = ({ type, tensors }: Quantization): string =>
  JSON.stringify({ type, tensors: tensors.map(({ name, dtype, shape }) => [name, dtype, shape]) });

/** Reads the metadata's text, which may come from anyone; the errors name its fields. */
export const decodeQuantization = (text: string): Result<Quantization, readonly FieldError[]> => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err([{ path: QUANTIZATION_KEY, expected: 'JSON', got: 'other text' }]);
  }
  const parsed = checked(Schema, json, QUANTIZATION_KEY);
  if (!parsed.ok) return parsed;
  const { type } = parsed.value;
  const tensors = parsed.value.tensors.map(([name, dtype, shape]) => ({ name, dtype, shape }));
  return ok({ type, tensors });
};

/**
 * What tensors become when they are quantised as said: the layout that such a result must have. Declines what names
 * tensors that aren't there, are another dtype or shape, are named twice or can't be quantised so.
 */
export const quantizedSpecs = (
  specs: readonly TensorSpec[],
  { type, tensors }: Quantization,
): Result<readonly TensorSpec[], readonly FieldError[]> => {
  const codec = findCodec(type);
  const path = `${QUANTIZATION_KEY}.type`;
  if (!codec) return err([{ path, expected: codecTypes.join(', '), got: shown(type) }]);
  const named = new Map(tensors.map((spec) => [spec.name, spec]));
  const known = new Map(specs.map((spec) => [spec.name, spec]));
  const errors = tensors.flatMap((spec, i): FieldError[] => {
    const at = `${QUANTIZATION_KEY}.tensors[${i}]`;
    const want = known.get(spec.name);
    const got = `${shown(spec.name)} ${spec.dtype} [${spec.shape.join(', ')}]`;
    if (named.get(spec.name) !== spec) return [{ path: at, expected: 'each tensor once', got }];
    if (want?.dtype !== spec.dtype || want.shape.join() !== spec.shape.join()) {
      return [{ path: at, expected: "one of the model's tensors, as it is there", got }];
    }
    if (!codes(codec, spec) || byteSize(spec.dtype, spec.shape) === undefined) {
      return [{ path: at, expected: `floats of more than ${codec.bits} bits`, got }];
    }
    return [];
  });
  if (errors.length > 0) return err(errors.slice(0, 32));
  return ok(specs.map((spec) => (named.has(spec.name) ? codec.becomes(spec) : spec)));
};
