import { DTYPES } from '../../tensors/dtype.ts';
import type { TensorData } from '../../tensors/dtype.ts';
import type { TensorSpec } from '../../tensors/layout.ts';
import { typed } from '../../tensors/safetensors.ts';
import { sizeOf } from '../../tensors/tensor.ts';

/**
 * A way to make floats smaller. Elements are coded in blocks that stand by themselves, one behind another, so that any
 * part of a tensor is read and decoded without the rest.
 */
export interface Codec {
  /** FLARE's quantization_type. */
  readonly type: string;
  /** Bits that an element takes: tensors of wider dtypes are coded, others are left. */
  readonly bits: number;
  /** Elements that a block codes. */
  readonly elements: number;
  /** What so many elements of a block take, in elements of the coded tensor. */
  coded(elements: number): number;
  /** The coded tensor. */
  becomes(spec: TensorSpec): TensorSpec;
  /** Codes whole blocks (the last of a tensor may be short). */
  encode(spec: TensorSpec, data: TensorData): TensorData;
  /** The first `count` elements of whole blocks, in the dtype that the tensor had. */
  decode(spec: TensorSpec, data: TensorData, count: number): TensorData;
}

/** What the first `count` elements of a tensor take in the coded one, where they are whole blocks or all. */
export const codedSize = (
  { elements, coded }: Pick<Codec, 'elements' | 'coded'>,
  count: number,
) => {
  const rest = count % elements;
  return ((count - rest) / elements) * coded(elements) + (rest === 0 ? 0 : coded(rest));
};

/** Elements [from, to) of a tensor out of its coded one, of which `read` gives a part. */
export const decodeSpan = (
  codec: Codec,
  spec: TensorSpec,
  [from, to]: readonly [from: number, to: number],
  read: (begin: number, end: number) => TensorData,
): TensorData => {
  const { elements } = codec;
  const first = from - (from % elements);
  const last = Math.min(Math.ceil(to / elements) * elements, sizeOf(spec.shape));
  const data = read(codedSize(codec, first), codedSize(codec, last));
  return codec.decode(spec, data, last - first).subarray(from - first, to - first);
};

/**
 * Bytes [begin, end) of a tensor, whole elements, out of its coded one's bytes: what a fold reads in place of an update's
 * own. No more is decoded than the blocks that they lie in.
 */
export const decodeBytes = (
  codec: Codec,
  spec: TensorSpec,
  [begin, end]: readonly [begin: number, end: number],
  read: (begin: number, end: number) => Uint8Array,
): Uint8Array => {
  const width = DTYPES[spec.dtype].bytes;
  const { dtype } = codec.becomes(spec);
  const { bytes } = DTYPES[dtype];
  const part = decodeSpan(codec, spec, [begin / width, end / width], (from, to) =>
    typed(dtype, read(from * bytes, to * bytes)),
  );
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
};
