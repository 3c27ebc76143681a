import { classesOf, classSums, indexLabels } from './class-labels.ts';
import type { ClassOptions } from './class-labels.ts';
import { judgedOf } from './judged.ts';
import type { Loss } from './loss.ts';
import { reduced } from './sums.ts';

/** Negative log-likelihood (torch.nn.NLLLoss) of log-probabilities x and int32 labels: -w x[label]; slope -w at the label. */
export const nll = (options: ClassOptions): Loss => ({
  judges: (graph) => [judgedOf(graph, options.output).value],
  append: (g, [x = ''], graph) => {
    const classes = classesOf(g, x, options, judgedOf(graph, options.output, ['LogSoftmax']));
    const { y, label, chosen, weighted, kept, mass } = indexLabels(g, classes, options);
    const own = g.op('Where', [chosen, x, g.scalar(0, x)]);
    const picked = g.reduce('ReduceSum', own, [classes.axis], 1);
    const losses = g.op('Neg', [mass === undefined ? picked : g.op('Mul', [mass, picked])]);
    const { metrics, examples, divisor } = classSums(g, classes, {
      y: y.name,
      truth: label,
      losses,
      mass,
      kept,
    });
    return {
      labels: [y],
      metrics,
      examples,
      seeds: new Map([[x, reduced(g, g.op('Neg', [weighted]), divisor, options.reduction)]]),
    };
  },
});
