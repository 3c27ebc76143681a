import { DTYPES } from '../../tensors/dtype.ts';
import type { Dtype, TensorData } from '../../tensors/dtype.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { sizeOf } from '../../tensors/tensor.ts';

/** A parameter or buffer as the framework that the model was made in knows it. */
export interface Original {
  readonly shape: readonly number[];
  readonly dtype?: Dtype;
  /** Its value when the model was exported. Without values, names and shapes alone must tell what is what. */
  readonly data?: TensorData;
}

/** A state_dict: what `readSafetensors` gives, or names and shapes only. Its order is the order of definition. */
export type Originals = ReadonlyMap<string, Original>;

/** An original as a tensor; undefined without values, or where it isn't float. */
export const tensorOf = ({ shape, dtype = 'F32', data }: Original): Tensor | undefined =>
  data === undefined || !DTYPES[dtype].float ? undefined : { shape, dtype, data };

export const copied = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() });

export const isFloat = ({ dtype = 'F32' }: Original): boolean => DTYPES[dtype].float;

/** `encoder.layers.0.norm1` of `encoder.layers.0.norm1.weight`; '' of a parameter of the model itself. */
export const moduleOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));

/** A spelling of a tensor's elements, equal for equal bits and (but for a collision of 2 x 32 bits) only for those. */
export const contentOf = ({ dtype, data }: Tensor): string => {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b) + 0x165667b1;
    b ^= b >>> 15;
  }
  return `${dtype} ${bytes.length} ${a >>> 0} ${b >>> 0}`;
};

/** A matrix with its axes swapped. */
export const transposed = ({ dtype, shape, data }: Tensor): Tensor => {
  const [rows = 0, columns = 0] = shape;
  const swapped = data.slice();
  for (let i = 0; i < data.length; i++) {
    const from = data[(i % rows) * columns + Math.floor(i / rows)];
    if (from !== undefined) swapped[i] = from;
  }
  return { dtype, shape: [columns, rows], data: swapped };
};

/** Whether all elements are one number: such a tensor's value says little about which it is. */
export const isUniform = ({ data, shape }: Tensor): boolean => {
  const [first] = data;
  return sizeOf(shape) === 0 || data.every((value: number | bigint) => value === first);
};
