import type { Dtype } from '../tensors/dtype.ts';

/** ONNX's `TensorProto.DataType` of each dtype. */
export const ELEMENT_TYPES: Readonly<Record<Dtype, number>> = {
  F32: 1,
  U8: 2,
  I8: 3,
  U16: 4,
  I16: 5,
  I32: 6,
  I64: 7,
  BOOL: 9,
  F16: 10,
  F64: 11,
  U32: 12,
  U64: 13,
  BF16: 16,
};

const DTYPE_OF = new Map(
  Object.entries(ELEMENT_TYPES).map(([dtype, type]) => [type, dtype as Dtype]),
);

/** The dtype of an ONNX element type; undefined for strings, complex numbers and types newer than this table. */
export const dtypeOf = (type: number): Dtype | undefined => DTYPE_OF.get(type);
