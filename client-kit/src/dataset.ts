import type { TensorData } from '../../core/tensors/dtype.ts';

/** A site's examples. It is read here and never leaves. */
export interface Dataset {
  /** Row-major; the first dimension counts the examples. 16-bit floats are raw bits in a Uint16Array. */
  readonly x: { readonly data: TensorData; readonly shape: readonly number[] };
  /** A class for each example, from 0. */
  readonly y: Int32Array;
}
