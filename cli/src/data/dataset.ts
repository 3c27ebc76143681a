/** Elements of a data file that an ONNX input can take: the kit's rule of typed array to dtype. */
export type Elements =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>;

/** A dense row-major array as a file holds it. */
export interface NdArray {
  readonly data: Elements;
  readonly shape: readonly number[];
}

/** The class of each example, from 0. */
export type Labels = Int32Array<ArrayBuffer>;

/** Examples and what is true of them: the first dimension of `x` counts them, `y` has a class or a row for each. */
export interface Examples<Truth = Labels> {
  readonly x: NdArray;
  readonly y: Truth;
  /** Further arrays of the file, for models of several inputs. */
  readonly more?: Readonly<Record<string, NdArray>>;
  /** Names of the classes where the files give names; class i is `classes[i]`. */
  readonly classes?: readonly string[];
}

/** What a reader gives: the examples, and where they came from for the log. */
export interface Loaded<Truth = Labels> extends Examples<Truth> {
  readonly format: string;
}

/** A data file that is not what its reader needs; the message begins with the file and names the field. */
export class DataError extends Error {
  override readonly name = 'DataError';

  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`);
  }
}

/**
 * Labels as class numbers. Throws DataError where they are not one per example, or not integers from 0 to 2^31 - 1.
 */
export const toLabels = (
  file: string,
  field: string,
  values: ArrayLike<number | bigint>,
  examples: number,
): Labels => {
  if (values.length !== examples) {
    throw new DataError(file, `${field}: expected ${examples} labels, got ${values.length}`);
  }
  const labels = new Int32Array(examples);
  for (let i = 0; i < examples; i++) {
    const value = Number(values[i]);
    if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) {
      throw new DataError(file, `${field}[${i}]: expected a class number from 0, got ${value}`);
    }
    labels[i] = value;
  }
  return labels;
};
