import { sizeOf } from '../../tensors/tensor.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { refuse } from '../fault.ts';
import { readsOf } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { byShape } from './by-shape.ts';
import { byValue } from './by-value.ts';
import { Draft } from './draft.ts';
import { foldedNorms } from './folded-norm.ts';
import { copied, isFloat, tensorOf } from './original.ts';
import type { Originals } from './original.ts';
import { recurrent } from './recurrent.ts';

/**
 * The model with its parameters as the framework knows them: original names, shapes and layout, so that what is trained
 * loads back (`load_state_dict`). What the exporter did to a weight becomes part of the graph, where gradients pass:
 * renamed or moved into a constant, transposed, gates reordered, BatchNorm folded into a convolution. Parameters that it
 * merged because they merely started equal come apart; those that have one name among the originals stay shared. Other
 * float tensors are part of the computation. Refuses the model where a weight remains that looks like a missing original.
 * Expects opset 13 at least. Dots apart, original names must not be names of the model's inner values.
 */
export const restored = (model: Graph, originals: Originals): Graph => {
  const draft = new Draft(model, originals);
  byName(draft);
  recurrent(draft);
  foldedNorms(draft);
  byValue(draft, model.initializers);
  byShape(draft, model.initializers);

  const nodes = [...draft.made, ...draft.nodes];
  const tensors = new Map([...model.constants, ...model.initializers]);
  const outputs = model.outputs.map(({ name }) => name);
  const read = new Set([...nodes.flatMap(readsOf), ...outputs]);
  const rest: Tensors = new Map(
    [...tensors].filter(([name]) => read.has(name) && !draft.found.has(name)),
  );
  refuseUnnamed(draft, rest, model.initializers);
  refuseTaken(draft, model);
  const found: Tensors = new Map();
  for (const name of originals.keys()) {
    const tensor = draft.found.get(name);
    if (tensor !== undefined) found.set(name, tensor);
  }
  return {
    ...model,
    nodes,
    initializers: found,
    constants: new Map([...rest, ...draft.constants]),
  };
};

/** Tensors that kept their name and shape. The originals' values win: an export in training mode moves statistics. */
const byName = (draft: Draft): void => {
  for (const [name, tensor] of draft.free) {
    const original = draft.originals.get(name);
    if (original === undefined || original.shape.join() !== tensor.shape.join()) continue;
    const given = tensorOf(original);
    draft.found.set(name, given?.dtype === tensor.dtype ? copied(given) : tensor);
    draft.free.delete(name);
  }
};

/** A weight without a name that has as many elements as an original without a weight: training would lose it. */
const refuseUnnamed = (
  draft: Draft,
  rest: ReadonlyMap<string, Tensor>,
  weights: { has(name: string): boolean },
): void => {
  const missing = draft.missing.filter((name) =>
    isFloat(draft.originals.get(name) ?? { shape: [] }),
  );
  const sizes = new Set(missing.map((name) => sizeOf(draft.originals.get(name)?.shape ?? [])));
  const unnamed = [...rest].filter(
    ([name, { data }]) => weights.has(name) && data.length > 1 && sizes.has(data.length),
  );
  if (unnamed.length === 0) return;
  const spelled = unnamed.map(([name, { shape }]) => `${name} [${shape.join()}]`);
  refuse({
    reason: 'bad_option',
    option: 'stateDict',
    detail: `the model doesn't show which of its weights ${spelled.join(', ')} ${missing.join(', ')} became; export with do_constant_folding=False and training=TrainingMode.TRAINING, and give the values that the model was exported with`,
  });
};

const refuseTaken = (draft: Draft, model: Graph): void => {
  const inner = new Set([
    ...model.inputs.map(({ name }) => name),
    ...draft.nodes.flatMap(({ output }) => output),
  ]);
  const taken = [...draft.found.keys()].filter((name) => inner.has(name));
  if (taken.length > 0) {
    refuse({
      reason: 'bad_option',
      option: 'stateDict',
      detail: `${taken.join(', ')}: the model has an inner value of that name`,
    });
  }
};
