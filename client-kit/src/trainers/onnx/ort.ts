import { DTYPES } from '../../../../core/tensors/dtype.ts';
import type { Dtype, TensorData } from '../../../../core/tensors/dtype.ts';
import type { Tensor } from '../../../../core/tensors/tensor.ts';
import { TaskError } from '../../task-error.ts';

/** ONNX Runtime's tensor, as far as the kit uses it. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly location: string;
  /** Throws where the elements are on a GPU. */
  readonly data: unknown;
  getData(release?: boolean): Promise<unknown>;
  dispose(): void;
}

export interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

/**
 * The part of ONNX Runtime that the kit uses: `onnxruntime-web` (WASM), `onnxruntime-web/webgpu` and
 * `onnxruntime-node` all have it. The page or program that loads it sets its `env` (wasmPaths, numThreads).
 */
export interface Ort {
  readonly env?: {
    readonly versions?: { readonly node?: string };
    readonly webgpu?: object;
  };
  readonly InferenceSession: {
    create(model: Uint8Array, options?: Record<string, unknown>): Promise<OrtSession>;
  };
  readonly Tensor: {
    new (type: 'float32', data: Float32Array, dims: readonly number[]): OrtTensor;
  };
}

/** The module, or a function that loads it when a job first needs it. */
export type OrtSource = Ort | (() => Promise<Ort>);

export const loadOrt = (source: OrtSource): Promise<Ort> =>
  typeof source === 'function' ? source() : Promise.resolve(source);

const ORT_TYPES: Readonly<Partial<Record<Dtype, string>>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
};

/** A tensor over the same elements. Throws TaskError for BF16, which ONNX Runtime's JavaScript API doesn't have. */
export const toOrt = (
  ort: Ort,
  dtype: Dtype,
  shape: readonly number[],
  data: TensorData,
): OrtTensor => {
  const type = ORT_TYPES[dtype];
  if (!type) throw new TaskError('MODEL_UNRECOGNIZED', `${dtype} does not run here`);
  // The constructor's overloads pair each type's name with its array, as ORT_TYPES and DTYPES do.
  return new ort.Tensor(type as 'float32', data as Float32Array, shape);
};

/** The tensor's elements, fetched from the GPU if they are there. */
export const fromOrt = async (
  dtype: Dtype,
  shape: readonly number[],
  tensor: OrtTensor,
): Promise<Tensor> => {
  const data = (await tensor.getData(true)) as TensorData;
  const { array: Elements } = DTYPES[dtype];
  if (data instanceof Elements) return { dtype, shape, data };
  // F16 comes as Float16Array where the engine has one.
  const { buffer, byteOffset, length } = data as Uint16Array<ArrayBuffer>;
  return { dtype, shape, data: new Uint16Array(buffer, byteOffset, length) };
};
