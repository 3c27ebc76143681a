import type { Tensor } from '../../tensors/tensor.ts';
import { copyOf } from '../graph.ts';
import type { Graph } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import { UPGRADES } from './registry.ts';
import { OldNode } from './rule.ts';

/** Every form that opset 17 understands came with one of these or before. */
const LAST = Math.max(...Object.values(UPGRADES).map(([below]) => below));

/** The same graph with the operators of its opset (9 to 16) written as opset 17 has them, bodies of If, Loop, Scan too. */
export const upgraded = (graph: Graph, opset: number): Graph => {
  if (opset >= LAST) return graph;
  const constants = new Map<string, Tensor>(graph.constants);
  const rewrite = (node: NodeProto): readonly NodeProto[] => {
    const [below = 0, upgrade] = (node.domain === '' && UPGRADES[node.opType]) || [];
    const made =
      upgrade === undefined || opset >= below
        ? [node]
        : upgrade(new OldNode(node, constants, graph.hints));
    return made.map(withBodies);
  };
  const withBodies = (node: NodeProto): NodeProto => {
    if (node.attribute.every(({ g, graphs }) => g === undefined && graphs.length === 0))
      return node;
    const copy = copyOf(node);
    for (const attribute of copy.attribute) {
      for (const body of attribute.g === undefined ? attribute.graphs : [attribute.g]) {
        body.node = body.node.flatMap(rewrite);
      }
    }
    return copy;
  };
  return { ...graph, nodes: graph.nodes.flatMap(rewrite), constants };
};
