import type { Column, Dataset } from '../../../client-kit/src/dataset.ts';
import type { InputSpec, Manifest } from '../../../core/tensors/manifest.ts';
import { DataError } from './dataset.ts';
import type { Elements, Labels, Loaded, NdArray } from './dataset.ts';

/** How numbers of the files become those that a model was made for. */
export interface Fit {
  /** Each number is multiplied by it. Default: 1/255 where bytes meet a model of floats, else 1. */
  readonly scale?: number | undefined;
  /** Subtracted after scaling, and divided by: per channel, or one for all. */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
  /** Number of classes that the model tells apart. */
  readonly classes?: number | undefined;
}

type Shape = readonly number[];

/**
 * A data set as a program takes it. Where the program takes floats, other numbers are converted, scaled and normalised; a
 * grey image fills three channels; columns of a table fill a shape of as many elements. Whatever else doesn't fit is for
 * the trainer to refuse. Throws DataError where means and deviations are not one per channel.
 */
export const fitted = (
  file: string,
  { x, y, more = {} }: Loaded<Labels | NdArray>,
  { inputs }: Manifest,
  fit: Fit = {},
): Dataset => ({
  x: normalised(file, reshaped(widened(x, inputs.x), inputs.x), inputs.x, fit),
  y: y instanceof Int32Array ? inRange(file, y, fit.classes) : floats(y, inputs.y),
  more: Object.fromEntries(
    (inputs.more ?? []).flatMap((spec): [string, Column][] => {
      const array = more[spec.input];
      return array ? [[spec.input, floats(array, spec)]] : [];
    }),
  ),
});

const inRange = (file: string, labels: Labels, classes = Infinity): Labels => {
  const wrong = labels.findIndex((label) => label >= classes);
  if (wrong < 0) return labels;
  const expected = `a class from 0 to ${classes - 1}, as the model has`;
  throw new DataError(file, `y[${wrong}]: expected ${expected}, got ${labels[wrong]}`);
};

const isFixed = (dims: readonly (number | string)[]): dims is Shape =>
  dims.every((dim) => typeof dim === 'number');

const sizeOf = (dims: Shape): number => dims.reduce((size, dim) => size * dim, 1);

/** One channel as three, where three are wanted. */
const widened = (x: NdArray, { shape: wanted }: InputSpec): NdArray => {
  const [count = 0, channels, ...plane] = x.shape;
  if (x.shape.length !== 4 || channels !== 1 || wanted[1] !== 3) return x;
  const size = sizeOf(plane);
  const data = x.data.slice(0, 0).constructor as new (length: number) => Elements;
  const wide = new data(count * 3 * size);
  for (let i = 0; i < count * 3; i++) {
    const from = Math.floor(i / 3) * size;
    // Both are arrays of one kind.
    (wide as Float32Array).set(x.data.subarray(from, from + size) as Float32Array, i * size);
  }
  return { data: wide, shape: [count, 3, ...plane] };
};

const reshaped = (x: NdArray, { shape: wanted }: InputSpec): NdArray => {
  const [count = 0, ...dims] = x.shape;
  const rest = wanted.slice(1);
  const flat = dims.length === 1 && isFixed(rest) && sizeOf(rest) === dims[0];
  return flat ? { data: x.data, shape: [count, ...rest] } : x;
};

/** Numbers of any kind as float32, where floats are wanted. */
const floats = (x: NdArray, spec: InputSpec | undefined): NdArray =>
  spec?.dtype === 'F32' && !(x.data instanceof Float32Array)
    ? { data: Float32Array.from(x.data as ArrayLike<number | bigint>, Number), shape: x.shape }
    : x;

const normalised = (file: string, x: NdArray, spec: InputSpec, fit: Fit): NdArray => {
  if (spec.dtype !== 'F32') return x;
  const scale = fit.scale ?? (x.data instanceof Uint8Array ? 1 / 255 : 1);
  const { data, shape } = floats(x, spec);
  if (scale === 1 && !fit.mean && !fit.std) return { data, shape };
  const [count = 0, channels = 1, ...plane] = shape;
  const means = perChannel(file, 'mean', fit.mean ?? [0], channels);
  const deviations = perChannel(file, 'std', fit.std ?? [1], channels);
  const size = sizeOf(plane);
  const into = new Float32Array(data.length);
  for (let i = 0; i < count * channels; i++) {
    const [mean = 0, std = 1] = [means[i % channels], deviations[i % channels]];
    for (let at = i * size; at < (i + 1) * size; at++) {
      into[at] = (Number(data[at]) * scale - mean) / std;
    }
  }
  return { data: into, shape };
};

const perChannel = (
  file: string,
  what: string,
  values: readonly number[],
  channels: number,
): readonly number[] => {
  if (values.length === channels) return values;
  const [one] = values;
  if (values.length === 1 && one !== undefined) {
    return Array.from({ length: channels }, () => one);
  }
  throw new DataError(
    file,
    `${what}: expected one number or ${channels}, one per channel, got ${values.length}`,
  );
};
