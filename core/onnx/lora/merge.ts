import type { AdapterSpec } from '../../tensors/manifest.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { pruned, readsOf } from '../graph.ts';
import type { Graph } from '../graph.ts';

/**
 * The weight with its adapter's change inside: weight + scale * B A, each element summed in float64. The shapes are those
 * that the adapter was made with.
 */
const mergedWeight = (
  { scale, transposed }: AdapterSpec,
  weight: Tensor,
  a: Tensor,
  b: Tensor,
): Tensor => {
  const [outputs = 1, rank = 1] = b.shape;
  const inputs = weight.data.length / outputs;
  const data = Float32Array.from(weight.data, Number);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      let change = 0;
      for (let k = 0; k < rank; k++) {
        change += Number(b.data[o * rank + k]) * Number(a.data[k * inputs + i]);
      }
      const at = transposed ? i * outputs + o : o * inputs + i;
      data[at] = (data[at] ?? 0) + scale * change;
    }
  }
  return { ...weight, data };
};

/** The graph with its adapters gone, into the weights that they change. */
export const merged = (graph: Graph, adapters: readonly AdapterSpec[]): Graph => {
  if (adapters.length === 0) return graph;
  const initializers = new Map(graph.initializers);
  const names = new Map<string, string>();
  for (const spec of adapters) {
    const [weight, a, b] = [spec.weight, spec.a, spec.b].map((name) => initializers.get(name));
    if (weight === undefined || a === undefined || b === undefined) continue;
    initializers.set(spec.weight, mergedWeight(spec, weight, a, b));
    names.set(spec.changed ?? '', spec.weight);
  }
  const rest = graph.nodes.filter((node) => !node.output.some((name) => names.has(name)));
  for (const node of rest) node.input = node.input.map((name) => names.get(name) ?? name);
  const nodes = pruned(
    rest,
    graph.outputs.map(({ name }) => name),
  );
  const reads = new Set(nodes.flatMap(readsOf));
  const read = <T>(values: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...values].filter(([name]) => reads.has(name)));
  return { ...graph, nodes, initializers: read(initializers), constants: read(graph.constants) };
};
