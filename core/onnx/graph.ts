import { clone, create } from '@bufbuild/protobuf';
import type { Dtype } from '../tensors/dtype.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { toAttributeProtos } from './attribute.ts';
import type { Attributes } from './attribute.ts';
import type { Dim } from './dim.ts';
import { NodeProtoSchema } from './proto/onnx_pb.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** What is known of a value before the graph runs. */
export interface ValueType {
  readonly dtype: Dtype;
  readonly shape: readonly Dim[];
}

export interface Value extends ValueType {
  readonly name: string;
}

/** An output; its type is left out where it isn't known. */
export interface Output {
  readonly name: string;
  readonly type?: ValueType;
}

/**
 * An ONNX graph in this room's terms. The law of its two kinds of fixed tensors: `initializers` are float weights, which
 * are parameters; `constants` (Constant nodes, and integer initializers such as shapes) are part of the computation.
 */
export interface Graph {
  readonly name: string;
  readonly irVersion: number;
  /** Opset version by domain; the default domain is ''. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Output[];
  readonly nodes: readonly NodeProto[];
  readonly initializers: Tensors;
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Types that the exporter wrote for inner values; used where no rule infers one. */
  readonly hints: ReadonlyMap<string, ValueType>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A node of the default domain unless `domain` says otherwise. */
export const makeNode = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Attributes = {},
  domain = '',
): NodeProto =>
  create(NodeProtoSchema, {
    opType,
    name: output[0] ?? opType,
    input: [...input],
    output: [...output],
    attribute: toAttributeProtos(attributes),
    ...(domain === '' ? {} : { domain }),
  });

export const copyOf = (node: NodeProto): NodeProto => clone(NodeProtoSchema, node);

/** How messages call a node: its own name, or what it makes. */
export const labelOf = (node: NodeProto): string =>
  node.name || (node.output.find((name) => name !== '') ?? node.opType);

/** The nodes that `wanted` depends on, in order. */
export const pruned = (nodes: readonly NodeProto[], wanted: readonly string[]): NodeProto[] => {
  const needed = new Set(wanted);
  const kept: NodeProto[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    for (const name of readsOf(node)) needed.add(name);
    kept.push(node);
  }
  return kept.reverse();
};

/** Names that a node reads: its inputs, and what its subgraphs (If, Loop, Scan) take from outside. */
export const readsOf = (node: NodeProto): string[] => {
  const names = node.input.filter((name) => name !== '');
  for (const attribute of node.attribute) {
    for (const graph of attribute.g === undefined ? attribute.graphs : [attribute.g]) {
      names.push(...graph.node.flatMap(readsOf), ...graph.output.map((output) => output.name));
    }
  }
  return names;
};
