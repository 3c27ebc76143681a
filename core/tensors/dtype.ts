/** Element types of a tensor, under their safetensors names. */
export const DTYPES = {
  F64: { bytes: 8, array: Float64Array, float: true },
  F32: { bytes: 4, array: Float32Array, float: true },
  F16: { bytes: 2, array: Uint16Array, float: true },
  BF16: { bytes: 2, array: Uint16Array, float: true },
  I64: { bytes: 8, array: BigInt64Array, float: false },
  I32: { bytes: 4, array: Int32Array, float: false },
  I16: { bytes: 2, array: Int16Array, float: false },
  I8: { bytes: 1, array: Int8Array, float: false },
  U64: { bytes: 8, array: BigUint64Array, float: false },
  U32: { bytes: 4, array: Uint32Array, float: false },
  U16: { bytes: 2, array: Uint16Array, float: false },
  U8: { bytes: 1, array: Uint8Array, float: false },
  BOOL: { bytes: 1, array: Uint8Array, float: false },
} as const;

export type Dtype = keyof typeof DTYPES;

/** The typed array that holds a dtype's elements; F16 and BF16 are held as their raw bits in a Uint16Array. */
export type TensorData =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint8Array;

export const isDtype = (name: unknown): name is Dtype =>
  typeof name === 'string' && Object.hasOwn(DTYPES, name);
