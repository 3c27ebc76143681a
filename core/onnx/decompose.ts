import { Emitter } from './emitter.ts';
import { makeNode } from './graph.ts';
import type { Graph } from './graph.ts';
import { NodeView } from './node-view.ts';
import { opsetOf } from './prepare.ts';
import { entryOf } from './route.ts';

/**
 * The same graph with its composite operators (those whose entry in the gradient registry is `parts`) written out, where
 * a wanted parameter lies behind them. Others stay whole: the runtime has faster kernels for them, and what the parts ask
 * for, such as a fixed number of time steps, isn't asked of them.
 */
export const decomposed = (graph: Graph, wanted: ReadonlySet<string>): Graph => {
  if (!graph.nodes.some((node) => 'parts' in (entryOf(node) ?? {}))) return graph;
  const g = Emitter.of({ ...graph, nodes: [] }, opsetOf(graph));
  for (const node of graph.nodes) for (const name of node.output) if (name !== '') g.fresh(name);
  const reached = new Set(wanted);
  for (const node of graph.nodes) {
    const entry = entryOf(node);
    const flows = entry === undefined || !('none' in entry);
    const behind = flows && node.input.some((name) => reached.has(name));
    if (behind) for (const name of node.output) reached.add(name);
    const view = new NodeView(node, g);
    if (!behind || entry === undefined || !('parts' in entry) || entry.unless?.(view)) {
      g.add(node, graph.hints);
      continue;
    }
    const made = entry.parts(view, g);
    node.output.forEach((name, i) => {
      if (name !== '') g.add(makeNode('Identity', [made[i] ?? ''], [name]));
    });
  }
  return { ...graph, nodes: g.nodes, constants: g.constants };
};
