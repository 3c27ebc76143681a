import type { Graph } from '../graph.ts';

/**
 * PyTorch's exporter merges parameters that are merely equal (two biases that start as zeros) into one initializer and
 * Identity nodes that carry the other names. Each gets its own tensor back, or training would tie them. Where the names of
 * the parameters are known, one that isn't among them is another name of the same parameter, and stays so.
 */
export const withoutShared = (model: Graph, names?: { has(name: string): boolean }): Graph => {
  const initializers = new Map(model.initializers);
  const nodes = model.nodes.filter((node) => {
    const [from, to] = [node.input[0] ?? '', node.output[0] ?? ''];
    const tensor =
      node.opType === 'Identity' && node.domain === '' ? initializers.get(from) : undefined;
    if (tensor === undefined || (names?.has(from) && !names.has(to))) return true;
    initializers.set(to, { ...tensor, data: tensor.data.slice() });
    return false;
  });
  return { ...model, nodes, initializers };
};
