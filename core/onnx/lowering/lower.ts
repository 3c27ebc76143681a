import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { copyOf, labelOf } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import { LOWERINGS } from './registry.ts';
import type { Target } from './rule.ts';

/** The same graph in operators that the target runs itself. */
export const lower = (graph: Emitter, target: Target): Emitter => {
  const g = graph.restarted();
  for (const original of graph.nodes) {
    const node = copyOf(original); // a lowering may ask a forward node for one more output
    if (node.domain !== ABSTRACT) {
      g.add(node);
      continue;
    }
    const lowering = LOWERINGS[node.opType]?.[target];
    if (lowering === undefined)
      throw new Error(`no lowering of ${node.opType} (${labelOf(node)}) for ${target}`);
    const [output = ''] = node.output;
    node.input = node.input.map((name) => g.resolve(name));
    g.alias(output, lowering(new NodeView(node, g), g));
  }
  return g;
};
