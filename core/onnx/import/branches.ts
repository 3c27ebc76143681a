import { DTYPES } from '../../tensors/dtype.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { constantTensor } from '../attribute.ts';
import { Emitter } from '../emitter.ts';
import { copyOf, makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import type { GraphProto, NodeProto } from '../proto/onnx_pb.ts';
import { fromTensorProto } from '../tensor-proto.ts';

/** The branch that an If takes whatever the input; undefined where that is open. */
const branchOf = (g: Emitter, node: NodeProto): GraphProto | undefined => {
  const condition = g.known.get(node.input[0] ?? '')?.[0];
  if (node.opType !== 'If' || node.domain !== '' || typeof condition !== 'number') return undefined;
  const name = condition === 0 ? 'else_branch' : 'then_branch';
  return node.attribute.find((attribute) => attribute.name === name)?.g;
};

/**
 * Exporters leave decisions in a model that its own shapes and constants make (PyTorch's squeeze of an axis of unknown
 * length is one): the nodes and weights of the branch that is taken stand in the If's place.
 */
export const withBranchesTaken = (model: Graph, opset: number): Graph => {
  if (model.nodes.every(({ opType }) => opType !== 'If')) return model;
  const g = Emitter.of({ ...model, nodes: [] }, opset);
  const initializers: Tensors = new Map(model.initializers);
  for (const node of model.nodes) for (const name of node.output) if (name !== '') g.fresh(name);
  /** `names` says how the values of a branch are called outside of it. */
  const add = (node: NodeProto, names: ReadonlyMap<string, string>): void => {
    const own = copyOf(node);
    own.input = node.input.map((name) => names.get(name) ?? name);
    own.output = node.output.map((name) => names.get(name) ?? name);
    const taken = branchOf(g, own);
    const tensor = own.opType === 'Constant' && names.size > 0 ? constantTensor(own) : undefined;
    if (taken !== undefined) enter(own, taken, names);
    else if (tensor === undefined) g.add(own, model.hints);
    else g.define(own.output[0] ?? '', tensor);
  };
  const enter = (node: NodeProto, branch: GraphProto, outer: ReadonlyMap<string, string>): void => {
    const names = new Map(outer);
    const made = [
      ...branch.initializer.map(({ name }) => name),
      ...branch.node.flatMap(({ output }) => output),
    ];
    for (const name of made) if (name !== '') names.set(name, g.fresh(name));
    for (const proto of branch.initializer) {
      const [tensor, name] = [fromTensorProto(proto), names.get(proto.name) ?? proto.name];
      if (!DTYPES[tensor.dtype].float) g.define(name, tensor);
      else initializers.set(g.input(name, tensor), tensor);
    }
    for (const inner of branch.node) add(inner, names);
    node.output.forEach((name, i) => {
      const value = branch.output[i]?.name ?? '';
      if (name !== '') g.add(makeNode('Identity', [names.get(value) ?? value], [name]));
    });
  };
  for (const node of model.nodes) add(node, new Map());
  return { ...model, nodes: g.nodes, constants: g.constants, initializers };
};
