import type { Draft } from './draft.ts';
import { isFloat, transposed } from './original.ts';
import { valueOf } from './relation.ts';
import type { Relation } from './relation.ts';
import { nearness } from './scope.ts';
import { reading, usesOf } from './uses.ts';
import type { Use } from './uses.ts';

/**
 * Finds missing originals without values by their shape: a renamed weight goes to the one original that fits it, of the
 * module that its node comes from where several do. A matrix that MatMul multiplies by is a Linear's, transposed.
 */
export const byShape = (draft: Draft, weights: { has(name: string): boolean }): void => {
  const values = new Map<Use, string>();
  for (const use of usesOf(draft.nodes, draft.free)) {
    const tensor = draft.free.get(use.tensor);
    if (tensor === undefined || !weights.has(use.tensor)) continue;
    const swaps = use.node.opType === 'MatMul' && use.input === 1 && tensor.shape.length === 2;
    const relation: Relation = swaps ? 'transposed' : 'same';
    const shape = (swaps ? tensor.shape.toReversed() : tensor.shape).join();
    const fitting = draft.missing.filter((name) => {
      const original = draft.originals.get(name);
      return (
        original !== undefined &&
        original.data === undefined &&
        isFloat(original) &&
        original.shape.join() === shape
      );
    });
    const near = fitting.filter((name) => nearness(use.node, name) > 0);
    const [name, ...others] = near.length > 0 ? near : fitting;
    if (name === undefined || others.length > 0) continue;
    values.set(use, valueOf(draft, name, relation, tensor));
    draft.found.set(name, swaps ? transposed(tensor) : tensor);
    draft.free.delete(use.tensor);
  }
  draft.nodes = reading(draft.nodes, values);
};
