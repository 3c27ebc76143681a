import { refuse } from '../fault.ts';
import type { Graph } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** The value that a loss judges, and the operator that made the model's output of it, where the loss contains that. */
export interface Judged {
  readonly value: string;
  readonly closing?: NodeProto;
}

/**
 * The model's output of that name (its first without one), or what went into the operator that closes it where that is
 * one of `within`: operators that the loss has inside itself.
 */
export const judgedOf = (
  graph: Graph,
  output: string | undefined,
  within: readonly string[] = [],
): Judged => {
  const names = graph.outputs.map(({ name }) => name);
  const value = output ?? names[0] ?? '';
  if (!names.includes(value)) {
    refuse({
      reason: 'bad_option',
      option: 'loss.output',
      detail: `expected one of ${names.join(', ')}, got ${value}`,
    });
  }
  const maker = graph.nodes.find((node) => node.output[0] === value);
  return maker?.domain === '' && within.includes(maker.opType)
    ? { value: maker.input[0] ?? value, closing: maker }
    : { value };
};
