import { create } from '@bufbuild/protobuf';
import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype, TensorData } from '../tensors/dtype.ts';
import { sizeOf } from '../tensors/tensor.ts';
import type { Tensor } from '../tensors/tensor.ts';
import { dtypeOf, ELEMENT_TYPES } from './element-type.ts';
import { refuse } from './fault.ts';
import { externalBytes } from './import/external-data.ts';
import type { ExternalData } from './import/external-data.ts';
import { TensorProto_DataLocation, TensorProtoSchema } from './proto/onnx_pb.ts';
import type { TensorProto } from './proto/onnx_pb.ts';

/** The typed fields of TensorProto, used where `raw_data` is empty. Small integers and half floats share int32_data. */
const typedField = (proto: TensorProto, dtype: Dtype): readonly (number | bigint)[] => {
  if (dtype === 'F32') return proto.floatData;
  if (dtype === 'F64') return proto.doubleData;
  if (dtype === 'I64') return proto.int64Data;
  return dtype === 'U64' || dtype === 'U32' ? proto.uint64Data : proto.int32Data;
};

/** Copies a TensorProto's elements out of the message, which may alias the decoded bytes, or out of a file beside it. */
export const fromTensorProto = (proto: TensorProto, files?: ExternalData): Tensor => {
  const dtype = dtypeOf(proto.dataType);
  if (dtype === undefined) {
    return refuse({
      reason: 'unsupported_model',
      detail: `tensor ${proto.name} has element type ${proto.dataType}`,
    });
  }
  const shape = proto.dims.map(Number);
  const size = sizeOf(shape);
  const { array: TypedArray, bytes } = DTYPES[dtype];
  const data: TensorData = new TypedArray(size);
  const raw =
    proto.dataLocation === TensorProto_DataLocation.EXTERNAL
      ? externalBytes(proto, files)
      : proto.rawData;
  if (raw.length > 0) {
    if (raw.length !== size * bytes) {
      return refuse({
        reason: 'malformed_model',
        detail: `tensor ${proto.name} expected ${size * bytes} bytes, got ${raw.length}`,
      });
    }
    new Uint8Array(data.buffer).set(raw);
  } else {
    const values = typedField(proto, dtype);
    if (values.length !== size) {
      return refuse({
        reason: 'malformed_model',
        detail: `tensor ${proto.name} expected ${size} elements, got ${values.length}`,
      });
    }
    // U32 sits in uint64_data: a bigint for an array of numbers.
    const wide = dtype === 'I64' || dtype === 'U64';
    for (let i = 0; i < size; i++) data[i] = wide ? (values[i] as bigint) : Number(values[i]);
  }
  return { dtype, shape, data };
};

/** A TensorProto with its own copy of the elements, as `raw_data` (little-endian, as every host of ours is). */
export const toTensorProto = (name: string, tensor: Tensor): TensorProto => {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return create(TensorProtoSchema, {
    name,
    dataType: ELEMENT_TYPES[tensor.dtype],
    dims: tensor.shape.map(BigInt),
    rawData: new Uint8Array(buffer, byteOffset, byteLength).slice(),
  });
};
