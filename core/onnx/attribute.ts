import { create } from '@bufbuild/protobuf';
import type { Tensor } from '../tensors/tensor.ts';
import type { ExternalData } from './import/external-data.ts';
import { AttributeProto_AttributeType as Type, AttributeProtoSchema } from './proto/onnx_pb.ts';
import type { AttributeProto, NodeProto } from './proto/onnx_pb.ts';
import { fromTensorProto, toTensorProto } from './tensor-proto.ts';

/** A float attribute: a bare number means an integer, the far more common kind. */
export interface Float {
  readonly float: number;
}
export const float = (value: number): Float => ({ float: value });

export type Attribute = number | Float | string | readonly number[] | Tensor;
export type Attributes = Readonly<Record<string, Attribute>>;

const toProto = (name: string, value: Attribute): AttributeProto => {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: Type.INT, i: BigInt(value) });
  }
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: Type.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if ('float' in value)
    return create(AttributeProtoSchema, { name, type: Type.FLOAT, f: value.float });
  if ('dtype' in value) {
    return create(AttributeProtoSchema, { name, type: Type.TENSOR, t: toTensorProto('', value) });
  }
  return create(AttributeProtoSchema, { name, type: Type.INTS, ints: value.map(BigInt) });
};

export const toAttributeProtos = (attributes: Attributes): AttributeProto[] =>
  Object.entries(attributes).map(([name, value]) => toProto(name, value));

const find = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute.find((attribute) => attribute.name === name);

export const hasAttribute = (node: NodeProto, name: string): boolean =>
  find(node, name) !== undefined;

export const intAttribute = (node: NodeProto, name: string, otherwise: number): number => {
  const found = find(node, name);
  return found === undefined ? otherwise : Number(found.i);
};

export const floatAttribute = (node: NodeProto, name: string, otherwise: number): number =>
  find(node, name)?.f ?? otherwise;

export const intsAttribute = (node: NodeProto, name: string): readonly number[] | undefined =>
  find(node, name)?.ints.map(Number);

export const textAttribute = (node: NodeProto, name: string, otherwise: string): string => {
  const found = find(node, name);
  return found === undefined ? otherwise : new TextDecoder().decode(found.s);
};

export const textsAttribute = (node: NodeProto, name: string): readonly string[] | undefined =>
  find(node, name)?.strings.map((text) => new TextDecoder().decode(text));

/** The tensor of a Constant node, whichever of its value attributes is used; undefined if it holds another kind. */
export const constantTensor = (node: NodeProto, files?: ExternalData): Tensor | undefined => {
  const attribute = node.attribute[0];
  if (attribute === undefined) return undefined;
  switch (attribute.name) {
    case 'value':
      return attribute.t && fromTensorProto(attribute.t, files);
    case 'value_float':
      return { dtype: 'F32', shape: [], data: Float32Array.of(attribute.f) };
    case 'value_floats':
      return {
        dtype: 'F32',
        shape: [attribute.floats.length],
        data: Float32Array.from(attribute.floats),
      };
    case 'value_int':
      return { dtype: 'I64', shape: [], data: BigInt64Array.of(attribute.i) };
    case 'value_ints':
      return {
        dtype: 'I64',
        shape: [attribute.ints.length],
        data: BigInt64Array.from(attribute.ints),
      };
    default:
      return undefined;
  }
};

/** The tensor attribute `value` of ConstantOfShape. */
export const tensorAttribute = (node: NodeProto, name: string): Tensor | undefined => {
  const found = find(node, name)?.t;
  return found && fromTensorProto(found);
};
