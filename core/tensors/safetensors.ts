import { DTYPES } from './dtype.ts';
import type { Dtype, TensorData } from './dtype.ts';
import type { TensorFault } from './fault.ts';
import { encodeHeader, headerLength, parseHeader, PREFIX_BYTES } from './header.ts';
import { checkDataLength, packLayout } from './layout.ts';
import type { Layout } from './layout.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';
import type { Tensor, Tensors } from './tensor.ts';

/** What a safetensors file holds. */
export interface Decoded {
  /** In data order. */
  readonly tensors: Tensors;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Bounds for `decode`; the defaults are those of the `safetensors` package (100 MB of header). */
export interface DecodeLimits {
  readonly maxHeader: number;
  readonly maxTensors: number;
}
const DECODE_LIMITS: DecodeLimits = { maxHeader: 100_000_000, maxTensors: 1_000_000 };

const viewOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Layout that `encode` gives these tensors (larger elements first). Throws RangeError as `packLayout` does. */
export const layoutOf = (tensors: Tensors, metadata?: ReadonlyMap<string, string>): Layout =>
  packLayout(
    Array.from(tensors, ([name, { dtype, shape }]) => ({ name, dtype, shape })),
    metadata,
  );

/**
 * A safetensors file in pieces (the header, then each tensor's bytes in data order), for streaming; the tensors' parts
 * are views, not copies. Throws RangeError where a tensor's data and shape disagree, or as `packLayout` does.
 */
export const encodeParts = (
  tensors: Tensors,
  metadata?: ReadonlyMap<string, string>,
): Uint8Array[] => {
  const layout = layoutOf(tensors, metadata);
  const parts: Uint8Array[] = [encodeHeader(layout.entries, layout.metadata)];
  for (const { name, dtype, begin, end } of layout.entries) {
    const { data } = tensors.get(name) as Tensor;
    if (!(data instanceof DTYPES[dtype].array) || data.byteLength !== end - begin) {
      throw new RangeError(
        `tensor '${name}': ${data.byteLength} bytes, expected ${dtype}, ${end - begin} bytes`,
      );
    }
    parts.push(viewOf(data));
  }
  return parts;
};

/** A safetensors file in one piece. Throws as `encodeParts` does. */
export const encode = (
  tensors: Tensors,
  metadata?: ReadonlyMap<string, string>,
): Uint8Array<ArrayBuffer> => {
  const parts = encodeParts(tensors, metadata);
  const file = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
};

/**
 * Reads a safetensors file. Tensors are views of `bytes` wherever their address allows one (always, if `bytes` starts
 * at a multiple of 8 and the header is padded), else copies. Elements are little-endian, as on every host we run on.
 */
export const decode = (
  bytes: Uint8Array,
  limits: DecodeLimits = DECODE_LIMITS,
): Result<Decoded, TensorFault> => {
  const length = headerLength(bytes.subarray(0, PREFIX_BYTES), limits.maxHeader);
  if (!length.ok) return length;
  const start = PREFIX_BYTES + length.value;
  if (bytes.length < start) {
    return err({
      reason: 'truncated',
      expected: `${start} bytes of header`,
      got: `${bytes.length}`,
    });
  }
  const layout = parseHeader(bytes.subarray(PREFIX_BYTES, start), limits);
  if (!layout.ok) return layout;
  const data = bytes.subarray(start);
  const fits = checkDataLength(layout.value, data.length);
  if (!fits.ok) return fits;
  const tensors: Tensors = new Map();
  for (const { name, dtype, shape, begin, end } of layout.value.entries) {
    tensors.set(name, { dtype, shape, data: typed(dtype, data.subarray(begin, end)) });
  }
  return ok({ tensors, metadata: layout.value.metadata });
};

/**
 * The bytes as elements of a dtype: a view if their address is aligned, a copy if not. Throws RangeError on a part of
 * an element.
 */
export const typed = (dtype: Dtype, bytes: Uint8Array): TensorData => {
  const { array: Elements, bytes: width } = DTYPES[dtype];
  const { buffer, byteOffset, length } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return new Elements(buffer as ArrayBuffer, byteOffset, length / width);
};
