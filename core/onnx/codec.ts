import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DTYPES } from '../tensors/dtype.ts';
import type { Result } from '../tensors/result.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { constantTensor } from './attribute.ts';
import { dtypeOf, ELEMENT_TYPES } from './element-type.ts';
import { refuse, settle } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph, Output, ValueType } from './graph.ts';
import type { ExternalData } from './import/external-data.ts';
import { withoutFunctions } from './import/functions.ts';
import { GraphProtoSchema, ModelProtoSchema, ValueInfoProtoSchema } from './proto/onnx_pb.ts';
import type { GraphProto, ModelProto, NodeProto, ValueInfoProto } from './proto/onnx_pb.ts';
import { fromTensorProto, toTensorProto } from './tensor-proto.ts';

const typeOf = ({ name, type }: ValueInfoProto): ValueType | undefined => {
  if (type?.value.case !== 'tensorType') return undefined;
  const { elemType, shape } = type.value.value;
  const dtype = dtypeOf(elemType);
  if (dtype === undefined || shape === undefined) return undefined;
  return {
    dtype,
    shape: shape.dim.map(({ value }, axis) =>
      // A dimension without value or name is some number of its own. `*` would read as a product.
      value.case === 'dimValue'
        ? Number(value.value)
        : (value.value || `${name}.${axis}`).replaceAll('*', '_'),
    ),
  };
};

const valueInfo = (name: string, type: ValueType | undefined): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    ...(type && {
      type: {
        value: {
          case: 'tensorType' as const,
          value: {
            elemType: ELEMENT_TYPES[type.dtype],
            shape: {
              dim: type.shape.map((dim) => ({
                value:
                  typeof dim === 'number'
                    ? { case: 'dimValue' as const, value: BigInt(dim) }
                    : { case: 'dimParam' as const, value: dim },
              })),
            },
          },
        },
      },
    }),
  });

const parse = (bytes: Uint8Array): ModelProto => {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    return refuse({ reason: 'malformed_model', detail: `not an ONNX file: ${String(error)}` });
  }
};

/**
 * Reads an ONNX file, and what it keeps in files beside it. Model-local functions are inlined. Refuses what isn't an ONNX
 * file and what this version doesn't read (sparse weights).
 */
export const decodeModel = (bytes: Uint8Array, files?: ExternalData): Graph => {
  const model = parse(bytes);
  const graph = model.graph;
  if (graph === undefined) return refuse({ reason: 'malformed_model', detail: 'no graph' });
  if (graph.sparseInitializer.length > 0) {
    return refuse({ reason: 'unsupported_model', detail: 'sparse initializers' });
  }
  const initializers: Tensors = new Map();
  const constants = new Map<string, Tensor>();
  for (const proto of graph.initializer) {
    const tensor = fromTensorProto(proto, files);
    (DTYPES[tensor.dtype].float ? initializers : constants).set(proto.name, tensor);
  }
  const nodes: NodeProto[] = [];
  for (const node of withoutFunctions(model)) {
    if (node.domain === 'ai.onnx') node.domain = '';
    const constant = node.opType === 'Constant' ? constantTensor(node, files) : undefined;
    if (constant === undefined) nodes.push(node);
    else constants.set(node.output[0] ?? '', constant);
  }
  // Before IR 4 every initializer is an input as well.
  const inputs = graph.input.filter(({ name }) => !initializers.has(name) && !constants.has(name));
  const hints = new Map<string, ValueType>();
  for (const info of [...graph.valueInfo, ...graph.output]) {
    const type = typeOf(info);
    if (type !== undefined) hints.set(info.name, type);
  }
  return {
    name: graph.name,
    irVersion: Number(model.irVersion),
    opsets: new Map(
      model.opsetImport.map(({ domain, version }) => [
        domain === 'ai.onnx' ? '' : domain,
        Number(version),
      ]),
    ),
    inputs: inputs.map((info) => {
      const type = typeOf(info);
      return type === undefined
        ? refuse({
            reason: 'unsupported_model',
            detail: `input ${info.name} is not a tensor of known rank`,
          })
        : { name: info.name, ...type };
    }),
    outputs: graph.output.map((info): Output => {
      const type = typeOf(info);
      return type === undefined ? { name: info.name } : { name: info.name, type };
    }),
    nodes,
    initializers,
    constants,
    hints,
    metadata: new Map(model.metadataProps.map(({ key, value }) => [key, value])),
  };
};

/** {@link decodeModel} for whoever looks into a model without differentiating it. */
export const readModel = (
  bytes: Uint8Array,
  files?: ExternalData,
): Result<Graph, DifferentiateFault> => settle(() => decodeModel(bytes, files));

/** A graph as a part of a model, or of a node. Constants become Constant nodes, so that reading it again keeps them apart. */
export const toGraphProto = (graph: Graph): GraphProto =>
  create(GraphProtoSchema, {
    name: graph.name,
    input: graph.inputs.map(({ name, ...type }) => valueInfo(name, type)),
    output: graph.outputs.map(({ name, type }) => valueInfo(name, type)),
    node: [
      ...Array.from(graph.constants, ([name, value]) =>
        makeNode('Constant', [], [name], { value }),
      ),
      ...graph.nodes,
    ],
    initializer: Array.from(graph.initializers, ([name, tensor]) => toTensorProto(name, tensor)),
  });

/** Writes an ONNX file. */
export const encodeModel = (graph: Graph): Uint8Array =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(graph.irVersion),
      producerName: 'tributary',
      opsetImport: [...graph.opsets].map(([domain, version]) => ({
        domain,
        version: BigInt(version),
      })),
      metadataProps: [...graph.metadata].map(([key, value]) => ({ key, value })),
      graph: toGraphProto(graph),
    }),
  );
