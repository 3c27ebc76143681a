import type { Emitter } from '../emitter.ts';
import { judgedOf } from './judged.ts';
import type { CommonOptions, Loss } from './loss.ts';
import { elements, floatType, reduced, rows, sumOf, total } from './sums.ts';

/** A loss of one element: graph values in the shape of the output. */
export interface Each {
  readonly loss: string;
  /** d loss / d output */
  readonly slope: string;
  /** Where it is classification: whether the element is on the right side. */
  readonly correct?: string;
}

/** What the mean is over: all elements, as almost everywhere in PyTorch, or the examples. */
export type Over = 'elements' | 'examples';

/** A loss of each element of the output beside that of a float32 target of the same shape. */
export const elementwise = (
  { reduction, output }: CommonOptions,
  each: (g: Emitter, z: string, y: string) => Each,
  { within = [], over = 'elements' }: { within?: readonly string[]; over?: Over } = {},
): Loss => ({
  judges: (graph) => [judgedOf(graph, output, within).value],
  append: (g, [z = '']) => {
    const type = floatType(g, z, 'a float32 output');
    const y = { name: g.input(g.fresh('y'), type), ...type };
    const { loss, slope, correct } = each(g, z, y.name);
    const examples = sumOf(g, 'examples', rows(g, y.name));
    const single = over === 'examples' || type.shape.slice(1).every((dim) => dim === 1);
    const count = single ? undefined : sumOf(g, 'elements', elements(g, y.name, examples.value));
    const metric = (name: string, sum: string, each: string) => ({
      name,
      sum: sumOf(g, sum, total(g, each)),
      ...(count && { count }),
    });
    return {
      labels: [y],
      metrics: [
        metric('loss', 'loss_sum', loss),
        ...(correct === undefined ? [] : [metric('accuracy', 'correct', correct)]),
      ],
      examples,
      seeds: new Map([[z, reduced(g, slope, (count ?? examples).value, reduction)]]),
    };
  },
});
