import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype, TensorData } from '../tensors/dtype.ts';
import type { TensorSpec } from '../tensors/layout.ts';
import { release } from '../tensors/release.ts';
import { sizeOf } from '../tensors/tensor.ts';
import type { Tensors } from '../tensors/tensor.ts';

/**
 * Tensors that are read in pieces, tensor by tensor, as often as needed: in memory, in rows, or made on the way. A piece is
 * good until the next is asked for.
 */
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

/** A source's tensors, in memory of their own. */
export const collect = (source: TensorSource): Tensors => {
  const tensors: Tensors = new Map();
  source.specs.forEach(({ name, dtype, shape }, index) => {
    const data = new DTYPES[dtype].array(sizeOf(shape));
    let at = 0;
    for (const piece of source.read(index)) {
      write(data, piece, at);
      at += piece.length;
    }
    tensors.set(name, { dtype, shape, data });
  });
  return tensors;
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
    let all: TensorData = piece;
    if (rest) {
      all = new DTYPES[dtype].array(rest.length + piece.length);
      write(all, rest, 0);
      write(all, piece, rest.length);
    }
    const whole = all.length - (all.length % block);
    if (whole > 0) yield all.subarray(0, whole);
    rest = whole < all.length ? all.slice(whole) : undefined;
    if (all !== piece) release(all);
  }
  if (rest) yield rest;
}
