import { BATCH } from './batch.ts';
import type { Dim } from './dim.ts';
import { refuse } from './fault.ts';
import { OPSETS } from './gradients/registry.ts';
import { labelOf, pruned, readsOf } from './graph.ts';
import type { Graph, ValueType } from './graph.ts';
import { withBranchesTaken } from './import/branches.ts';
import { withConstantWeights } from './import/constant-weights.ts';
import { withFoldedConstants } from './import/constants.ts';
import { withoutShared } from './import/identities.ts';
import { withoutSequences } from './import/sequences.ts';
import type { Originals } from './restoration/original.ts';
import { restored } from './restoration/restore.ts';
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
 * of operators rewritten); and, where the originals are given, the parameters under their original names.
 */
export const prepare = (model: Graph, originals?: Originals): Prepared => {
  const modelOpset = opsetOf(model);
  const [first, last] = OPSETS;
  if (modelOpset < first || modelOpset > last) {
    refuse({ reason: 'unsupported_opset', opset: modelOpset, expected: `${first} to ${last}` });
  }
  if (model.outputs.length === 0) refuse({ reason: 'malformed_model', detail: 'no outputs' });
  const current = withBranchesTaken(
    upgraded(model, modelOpset),
    Math.max(PROGRAM_OPSET, modelOpset),
  );
  const folded = withoutSequences(withFoldedConstants(current));
  const unshared = withWeights(withoutShared(folded, originals), originals);
  const nodes = pruned(
    unshared.nodes,
    unshared.outputs.map(({ name }) => name),
  );
  const read = new Set([...nodes.flatMap(readsOf), ...unshared.outputs.map(({ name }) => name)]);
  const inputs = unshared.inputs.filter(({ name }) => read.has(name));
  const own = inputs[0]?.shape[0];
  if (own === undefined) {
    refuse({ reason: 'unsupported_model', detail: 'expected an input of one row per example' });
  }
  const batched = ({ dtype, shape }: ValueType): ValueType => ({
    dtype,
    shape: shape.map((dim) => (typeof dim === 'string' && dim === own ? BATCH : dim)),
  });
  // The first input counts the examples; others have as many rows where they share its symbol, or have one of their own.
  const rows = (dim: Dim, rank: number, first: boolean): boolean =>
    first || typeof dim === 'string' || (dim === own && rank > 1);
  return {
    modelOpset,
    graph: {
      ...unshared,
      irVersion: Math.max(8, model.irVersion),
      opsets: new Map([...model.opsets, ['', Math.max(PROGRAM_OPSET, modelOpset)]]),
      inputs: inputs.map((input, i) => ({
        ...input,
        shape: batched(input).shape.map((dim, axis, { length }) =>
          axis === 0 && rows(dim, length, i === 0) ? BATCH : dim,
        ),
      })),
      hints: new Map([...unshared.hints].map(([name, type]) => [name, batched(type)])),
      nodes,
      initializers: new Map([...unshared.initializers].filter(([name]) => read.has(name))),
      constants: new Map([...unshared.constants].filter(([name]) => read.has(name))),
    },
  };
};

const withWeights = (model: Graph, originals: Originals | undefined): Graph => {
  const weighted =
    originals === undefined ? withConstantWeights(model) : restored(model, originals);
  const inside = model.nodes.find(({ attribute }) => attribute.some(({ g }) => g !== undefined));
  if (weighted.initializers.size === 0 && inside !== undefined) {
    refuse({
      reason: 'unsupported_model',
      detail: `its weights lie within ${inside.opType} (node ${labelOf(inside)}), whose branches are not differentiated`,
    });
  }
  return weighted;
};
