import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype, TensorData } from '../tensors/dtype.ts';
import { encodeHeader } from '../tensors/header.ts';
import { packLayout } from '../tensors/layout.ts';
import type { TensorSpec } from '../tensors/layout.ts';
import { sizeOf } from '../tensors/tensor.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';

/** Tensors that are read in pieces, tensor by tensor, as often as needed: in memory, in rows, or made on the way. */
export interface TensorSource {
  readonly specs: readonly TensorSpec[];
  /** The elements of a tensor (by its place in `specs`) in order, in pieces of any size; the same at every call. */
  read(index: number): Iterable<TensorData>;
}

/** Tensors in memory as a source: views, in pieces of at most `piece` elements. */
export const sourceOf = (tensors: Tensors, piece = Infinity): TensorSource => {
  const all = [...tensors];
  return {
    specs: all.map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    *read(index) {
      const data = all[index]?.[1].data;
      if (!data) return;
      if (data.length <= piece) yield data;
      else for (let at = 0; at < data.length; at += piece) yield data.subarray(at, at + piece);
    },
  };
};

/** A source's tensors, in memory; a tensor that comes in one piece is that piece. */
export const collect = (source: TensorSource): Tensors => {
  const tensors: Tensors = new Map();
  source.specs.forEach(({ name, dtype, shape }, index) => {
    const pieces = [...source.read(index)];
    const tensor: Tensor = { dtype, shape, data: joined(dtype, sizeOf(shape), pieces) };
    tensors.set(name, tensor);
  });
  return tensors;
};

const joined = (dtype: Dtype, length: number, pieces: readonly TensorData[]): TensorData => {
  const [first] = pieces;
  if (first && first.length === length) return first;
  const whole = new DTYPES[dtype].array(length);
  let at = 0;
  for (const piece of pieces) {
    write(whole, piece, at);
    at += piece.length;
  }
  return whole;
};

/** `set` of two arrays of one dtype, which the types can't know. */
const write = (to: TensorData, from: TensorData, at: number): void => {
  (to as Uint8Array).set(from as Uint8Array, at);
};

/** The same elements in pieces that each hold a multiple of `block`, the tensor's last excepted. */
export function* inBlocks(
  dtype: Dtype,
  pieces: Iterable<TensorData>,
  block: number,
): Iterable<TensorData> {
  let rest: TensorData | undefined;
  for (const piece of pieces) {
    const all: TensorData = rest ? joined(dtype, rest.length + piece.length, [rest, piece]) : piece;
    const whole = all.length - (all.length % block);
    if (whole > 0) yield all.subarray(0, whole);
    rest = whole < all.length ? all.slice(whole) : undefined;
  }
  if (rest) yield rest;
}

/**
 * A source's safetensors file, as it is read: the header, then each piece's bytes in data order. The same bytes as
 * `encode` makes of what `collect` gives, without ever holding them. Throws as `packLayout` does.
 */
export function* encodedPieces(
  source: TensorSource,
  metadata?: ReadonlyMap<string, string>,
): Iterable<Uint8Array> {
  const layout = packLayout(source.specs, metadata);
  const places = new Map(source.specs.map(({ name }, index) => [name, index]));
  yield encodeHeader(layout.entries, layout.metadata);
  for (const { name } of layout.entries) {
    for (const { buffer, byteOffset, byteLength } of source.read(places.get(name) as number)) {
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  }
}
