import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { copyOf, labelOf, readsOf } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import { convOnGpu } from './conv-on-gpu.ts';
import { LOWERINGS, REWRITES } from './registry.ts';
import type { Origin, Target } from './rule.ts';

/** The same graph in operators that the target runs itself, in the form that it runs fastest. */
export const lower = (graph: Emitter, target: Target): Emitter => {
  const written = rewritten(graph, target);
  return target === 'webgpu' ? mended(written) : written;
};

/** Once all is written, for what the target's kernels get wrong wherever it comes from. */
const mended = (graph: Emitter): Emitter => {
  const g = graph.restarted();
  for (const original of graph.nodes) {
    const node = copyOf(original);
    const conv = node.domain === '' && node.opType === 'Conv';
    const nodes = conv ? convOnGpu(new NodeView(node, g), g) : [node];
    for (const each of nodes) g.add(each, graph.types);
  }
  return g;
};

const rewritten = (graph: Emitter, target: Target): Emitter => {
  const g = graph.restarted();
  const origin = originOf(graph.nodes);
  for (const original of graph.nodes) {
    const node = copyOf(original); // a lowering may ask a forward node for one more output
    node.input = node.input.map((name) => g.resolve(name));
    const written = write(new NodeView(node, g), g, origin, target);
    if (written === undefined) g.add(node, graph.types);
    else g.alias(node.output[0] ?? '', written);
  }
  return g;
};

const write = (n: NodeView, g: Emitter, origin: Origin, target: Target): string | undefined => {
  const { domain, opType } = n.proto;
  if (domain === '') return REWRITES[opType]?.[target]?.(n, g, origin);
  if (domain !== ABSTRACT) return undefined;
  const lowering = LOWERINGS[opType]?.[target];
  if (lowering === undefined)
    throw new Error(`no lowering of ${opType} (${labelOf(n.proto)}) for ${target}`);
  return lowering(n, g);
};

const originOf = (nodes: readonly NodeProto[]): Origin => {
  const makers = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const readers = new Map<string, number>();
  for (const name of nodes.flatMap(readsOf)) readers.set(name, (readers.get(name) ?? 0) + 1);
  return {
    only: (value, opType) => {
      const maker = makers.get(value);
      const fits = maker?.opType === opType && maker.domain === '' && readers.get(value) === 1;
      return fits ? maker : undefined;
    },
  };
};
