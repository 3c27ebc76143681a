import type { Dtype, TensorData } from './dtype.ts';

/** A dense, row-major array. `data.length` is the product of `shape` (1 for a 0-d tensor, 0 where a dimension is 0). */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Named tensors, in data order. A Map, so that `__proto__` and `1` are ordinary names. */
export type Tensors = Map<string, Tensor>;

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
