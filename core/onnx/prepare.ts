import { BATCH } from './batch.ts';
import { refuse } from './fault.ts';
import { OPSETS } from './gradients/registry.ts';
import { pruned, readsOf } from './graph.ts';
import type { Graph, ValueType } from './graph.ts';
import { upgraded } from './upgrades/upgrade.ts';

/** Programs are written in this opset at least: ScatterElements that adds came with 16. */
export const PROGRAM_OPSET = 17;

/** Opset of the default domain. */
export const opsetOf = (graph: Graph): number => graph.opsets.get('') ?? 0;

/** A forward model as the rest of this room expects it. */
export interface Prepared {
  readonly graph: Graph;
  readonly modelOpset: number;
}

/**
 * Checks what the model as a whole must fulfil, and brings it into shape: only nodes and weights that its outputs depend
 * on, no weight shared by way of Identity, the batch size of its input a symbol, the opset at least 17 (with older forms
 * of operators rewritten).
 */
export const prepare = (model: Graph): Prepared => {
  const modelOpset = opsetOf(model);
  const [first, last] = OPSETS;
  if (modelOpset < first || modelOpset > last) {
    refuse({ reason: 'unsupported_opset', opset: modelOpset, expected: `${first} to ${last}` });
  }
  if (model.outputs.length === 0) refuse({ reason: 'malformed_model', detail: 'no outputs' });
  const unshared = withoutShared(upgraded(model, modelOpset));
  const nodes = pruned(
    unshared.nodes,
    unshared.outputs.map(({ name }) => name),
  );
  const read = new Set([...nodes.flatMap(readsOf), ...unshared.outputs.map(({ name }) => name)]);
  const [x, ...others] = unshared.inputs.filter(({ name }) => read.has(name));
  if (x === undefined || others.length > 0) {
    return refuse({
      reason: 'unsupported_model',
      detail: `expected one input besides the weights, got ${JSON.stringify([x, ...others].map((i) => i?.name))}`,
    });
  }
  const [own] = x.shape;
  const batched = ({ dtype, shape }: ValueType): ValueType => ({
    dtype,
    shape: shape.map((dim) => (typeof dim === 'string' && dim === own ? BATCH : dim)),
  });
  return {
    modelOpset,
    graph: {
      ...unshared,
      irVersion: Math.max(8, model.irVersion),
      opsets: new Map([...model.opsets, ['', Math.max(PROGRAM_OPSET, modelOpset)]]),
      inputs: [{ ...x, shape: x.shape.map((dim, axis) => (axis === 0 ? BATCH : dim)) }],
      hints: new Map([...unshared.hints].map(([name, type]) => [name, batched(type)])),
      nodes,
      initializers: new Map([...unshared.initializers].filter(([name]) => read.has(name))),
      constants: new Map([...unshared.constants].filter(([name]) => read.has(name))),
    },
  };
};

/**
 * PyTorch's exporter merges parameters that are merely equal (two biases that start as zeros) into one initializer and
 * Identity nodes that carry the other names. Each gets its own tensor back, or training would tie them.
 */
const withoutShared = (model: Graph): Graph => {
  const initializers = new Map(model.initializers);
  const nodes = model.nodes.filter((node) => {
    const [from, to] = [node.input[0] ?? '', node.output[0] ?? ''];
    const tensor =
      node.opType === 'Identity' && node.domain === '' ? initializers.get(from) : undefined;
    if (tensor === undefined) return true;
    initializers.set(to, { ...tensor, data: tensor.data.slice() });
    return false;
  });
  return { ...model, nodes, initializers };
};
