import { BATCH } from '../batch.ts';
import type { Dim } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import type { GradientView } from '../gradients/rule.ts';

/**
 * One place where a weight meets the examples: what the loss of each gives it as gradient. Each example's gradient alone
 * is a whole weight, so where their squares and their weighted sum can be had without, `squares` and `weighted` say how.
 */
export interface Use {
  /** [batch, ...weight]: the gradients of the examples. */
  readonly each: () => string;
  /** [batch]: the squared norm of each. */
  readonly squares: () => string;
  /** [...weight]: their sum, each times its factor of `by` [batch]. */
  readonly weighted: (by: string) => string;
}

/** What an operator gives the weight at one of its inputs, example by example; undefined where it can't be told. */
export type UseRule = (n: GradientView, g: Emitter) => Use | undefined;

/** By way of the gradients themselves. */
export const useOf = (g: Emitter, shape: readonly Dim[], each: () => string): Use => ({
  each,
  squares: () => g.reduce('ReduceSumSquare', flat(g, each()), [1], 0),
  weighted: (by) => {
    const row = g.op('Unsqueeze', [by, g.ints([0])]);
    return g.reshape(g.op('MatMul', [row, flat(g, each())]), shape);
  },
});

const flat = (g: Emitter, x: string): string => g.op('Flatten', [x], { axis: 1 });

/** Several uses of one weight: its gradient is the sum of theirs, so their squares alone don't tell its norm. */
export const together = (g: Emitter, shape: readonly Dim[], uses: readonly Use[]): Use => {
  const [only] = uses;
  if (only !== undefined && uses.length === 1) return only;
  return useOf(g, shape, () =>
    uses.map(({ each }) => each()).reduce((sum, next) => g.op('Add', [sum, next])),
  );
};

/** A use of rearranged elements as one of the weight before: norms are the same. */
export const rearranged = (
  use: Use,
  back: (gradient: string) => string,
  backEach: (gradients: string) => string,
): Use => ({
  each: () => backEach(use.each()),
  squares: use.squares,
  weighted: (by) => back(use.weighted(by)),
});

/**
 * From a gradient in a broadcast shape whose first axis is the examples; undefined where it has none such, as after a
 * sum over the batch.
 */
export const broadcastUse = (
  g: Emitter,
  gradient: string,
  shape: readonly Dim[],
): Use | undefined => {
  const from = g.types.get(gradient)?.shape ?? [];
  const added = from.length - shape.length;
  if (from[0] !== BATCH || added < 0 || (added === 0 && shape[0] !== 1)) return undefined;
  const summed = from.flatMap((dim, axis) =>
    axis > 0 && (axis < added || (shape[axis - added] === 1 && dim !== 1)) ? [axis] : [],
  );
  return useOf(g, shape, () => {
    const total = summed.length > 0 ? g.reduce('ReduceSum', gradient, summed, 1) : gradient;
    return g.reshape(total, [BATCH, ...shape], gradient);
  });
};
