import { clone } from '@bufbuild/protobuf';
import { refuse } from '../fault.ts';
import { copyOf, labelOf } from '../graph.ts';
import { AttributeProtoSchema } from '../proto/onnx_pb.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
} from '../proto/onnx_pb.ts';

type Functions = ReadonlyMap<string, FunctionProto>;

const keyOf = (domain: string, name: string, overload: string): string =>
  [domain === 'ai.onnx' ? '' : domain, name, overload].join(':');

/**
 * The model's nodes with its own functions (PyTorch's newer exporter writes some) replaced by their bodies. Inner names
 * get the calling node's name in front. Source: ONNX IR, "Functions"; a function may call another but not itself.
 */
export const withoutFunctions = (model: ModelProto): readonly NodeProto[] => {
  const nodes = model.graph?.node ?? [];
  if (model.functions.length === 0) return nodes;
  const opset = (imports: ModelProto['opsetImport']): bigint | undefined =>
    imports.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version;
  const functions: Functions = new Map(
    model.functions.map((f) => [keyOf(f.domain, f.name, f.overload), f]),
  );
  for (const { name, opsetImport } of model.functions) {
    const own = opset(opsetImport);
    if (own !== undefined && own !== opset(model.opsetImport)) {
      refuse({
        reason: 'unsupported_model',
        detail: `function ${name} is written in opset ${own}, the model in ${opset(model.opsetImport)}`,
      });
    }
  }
  return expanded(nodes, functions, []);
};

const expanded = (
  nodes: readonly NodeProto[],
  functions: Functions,
  callers: readonly string[],
): readonly NodeProto[] =>
  nodes.flatMap((node) => {
    const key = keyOf(node.domain, node.opType, node.overload);
    const body = functions.get(key);
    if (body === undefined) return [node];
    if (callers.includes(key)) {
      refuse({ reason: 'malformed_model', detail: `function ${body.name} calls itself` });
    }
    return expanded(called(node, body), functions, [...callers, key]);
  });

/** A function's body as this node calls it. */
const called = (node: NodeProto, body: FunctionProto): readonly NodeProto[] => {
  const label = labelOf(node);
  const names = new Map<string, string>([['', '']]);
  body.input.forEach((name, i) => names.set(name, node.input[i] ?? ''));
  body.output.forEach((name, i) => {
    // An output that is left out is made all the same; one that is an input is passed on below.
    if (!names.has(name)) names.set(name, node.output[i] || `${label}/${name}`);
  });
  const rename = (name: string): string => {
    const known = names.get(name) ?? `${label}/${name}`;
    names.set(name, known);
    return known;
  };
  const given = new Map(
    [...body.attributeProto, ...node.attribute].map((attribute) => [attribute.name, attribute]),
  );
  return body.node.map((inner) => {
    const copy = renamed(copyOf(inner), rename, given);
    copy.name = `${label}/${labelOf(inner)}`;
    copy.metadataProps.push(...node.metadataProps);
    return copy;
  });
};

/** Renames what a node reads and makes, in its subgraphs too, and puts the caller's attributes in. */
const renamed = (
  node: NodeProto,
  rename: (name: string) => string,
  given: ReadonlyMap<string, AttributeProto>,
): NodeProto => {
  node.input = node.input.map(rename);
  node.output = node.output.map(rename);
  node.attribute = node.attribute.flatMap((attribute) => {
    if (attribute.refAttrName === '') return [attribute];
    const value = given.get(attribute.refAttrName);
    if (value === undefined) return [];
    const copy = clone(AttributeProtoSchema, value);
    copy.name = attribute.name;
    return [copy];
  });
  for (const { g, graphs } of node.attribute) {
    for (const graph of g === undefined ? graphs : [g]) renameGraph(graph, rename, given);
  }
  return node;
};

const renameGraph = (
  graph: GraphProto,
  rename: (name: string) => string,
  given: ReadonlyMap<string, AttributeProto>,
): void => {
  for (const named of [...graph.input, ...graph.output, ...graph.initializer, ...graph.valueInfo]) {
    named.name = rename(named.name);
  }
  for (const node of graph.node) renamed(node, rename, given);
};
