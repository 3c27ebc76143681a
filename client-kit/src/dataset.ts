import type { TensorData } from '../../core/tensors/dtype.ts';

/** Row-major; the first dimension counts the examples. 16-bit floats are raw bits in a Uint16Array. */
export interface Column {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

/** A site's examples. It is read here and never leaves. */
export interface Dataset {
  readonly x: Column;
  /** A class for each example, from 0; or, where a loss judges by something else, that, an example a row. */
  readonly y: Int32Array | Column;
  /** What a model of several inputs takes besides `x`, by the input's name. */
  readonly more?: Readonly<Record<string, Column>>;
}

/** The truth of a data set as a column. */
export const truthOf = ({ y }: Dataset): Column =>
  y instanceof Int32Array ? { data: y, shape: [y.length] } : y;

/** How many examples a data set has. */
export const countOf = ({ x }: Pick<Dataset, 'x'>): number => x.shape[0] ?? 0;
