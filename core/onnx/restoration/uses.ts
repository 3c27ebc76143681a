import { copyOf } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** One reading of a tensor: an input of a node. */
export interface Use {
  readonly tensor: string;
  readonly node: NodeProto;
  readonly input: number;
}

/** Where the tensors are read, in the order of the nodes. */
export const usesOf = (
  nodes: readonly NodeProto[],
  tensors: { has(name: string): boolean },
): readonly Use[] =>
  nodes.flatMap((node) =>
    node.input.flatMap((tensor, input) => (tensors.has(tensor) ? [{ tensor, node, input }] : [])),
  );

/** The nodes with some of their inputs exchanged. */
export const reading = (
  nodes: readonly NodeProto[],
  values: ReadonlyMap<Use, string>,
): readonly NodeProto[] => {
  const changes = Map.groupBy(values, ([{ node }]) => node);
  return nodes.map((node) => {
    const changed = changes.get(node);
    if (changed === undefined) return node;
    const copy = copyOf(node);
    for (const [{ input }, value] of changed) copy.input[input] = value;
    return copy;
  });
};
