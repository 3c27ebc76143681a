import { decomposed } from '../decompose.ts';
import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { copyOf, labelOf, pruned } from '../graph.ts';
import type { Graph, Value } from '../graph.ts';
import { opsetOf, PROGRAM_OPSET } from '../prepare.ts';
import { upgraded } from '../upgrades/upgrade.ts';

/**
 * A second graph as a program of that opset holds it: its operators in that opset's forms and parts, its weights
 * constants, its inputs of the given types. Refuses one whose opset the program can't take in.
 */
export const current = (
  graph: Graph,
  inputs: readonly Value[],
  opset: number,
  wanted: readonly string[],
): Graph => {
  const own = opsetOf(graph);
  // With opset 18 reductions take their axes as an input: neither form can stand in the other's programs.
  const fits = opset < 18 ? own < 18 : own >= 18 && own <= opset;
  if (!fits) {
    const range = opset < 18 ? `9 to ${PROGRAM_OPSET}` : `18 to ${opset}`;
    refuse({ reason: 'unsupported_opset', opset: own, expected: `${range} for the loss graph` });
  }
  const whole = upgraded(graph, own);
  return decomposed(
    {
      ...whole,
      opsets: new Map([['', opset]]),
      inputs,
      nodes: pruned(
        whole.nodes,
        whole.outputs.map(({ name }) => name),
      ),
      initializers: new Map(),
      constants: new Map([...whole.constants, ...whole.initializers]),
    },
    new Set(wanted),
  );
};

/** Adds a graph's nodes under names of their own; `values` leads from its names to those in `g`, and is filled. */
export const spliced = (g: Emitter, graph: Graph, values: Map<string, string>): void => {
  for (const [name, tensor] of graph.constants) {
    values.set(name, g.define(g.fresh(`loss/${name}`), tensor));
  }
  for (const node of graph.nodes) {
    if (node.attribute.some(({ g: body, graphs }) => body !== undefined || graphs.length > 0)) {
      refuse({
        reason: 'unsupported_model',
        detail: `node ${labelOf(node)} of the loss graph (${node.opType}) holds graphs itself`,
      });
    }
    const copy = copyOf(node);
    copy.name = `loss/${labelOf(node)}`;
    copy.input = node.input.map((name) => (name === '' ? '' : (values.get(name) ?? name)));
    copy.output = node.output.map((name) => {
      if (name === '') return '';
      const fresh = g.fresh(`loss/${name}`);
      values.set(name, fresh);
      return fresh;
    });
    g.add(copy);
  }
};
