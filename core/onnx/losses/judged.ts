import type { Graph } from '../graph.ts';

/** The model's first output, or what went into the operator that closes it where the loss has that inside itself. */
export const firstOutput =
  (...closing: readonly string[]) =>
  (graph: Graph): readonly string[] => {
    const output = graph.outputs[0]?.name ?? '';
    const maker = graph.nodes.find((node) => node.output[0] === output);
    const ends = maker?.domain === '' && closing.includes(maker.opType);
    return [ends ? (maker.input[0] ?? output) : output];
  };
