import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import type { Value } from '../graph.ts';
import { classesOf, classSums, firstMaximum, indexLabels, weightsOf } from './class-labels.ts';
import type { Classes, ClassOptions } from './class-labels.ts';
import { judgedOf } from './judged.ts';
import type { Loss, LossNodes } from './loss.ts';
import { reduced } from './sums.ts';

export interface SoftmaxCrossEntropyOptions extends ClassOptions {
  /** `index` (default): an int32 class number for each position. `probabilities`: float32, in the output's shape. */
  readonly labels?: 'index' | 'probabilities';
  /** How much of each label is spread evenly over all classes, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number;
}

const WITHIN = ['Softmax', 'LogSoftmax'];

/**
 * Cross-entropy of logits z (torch.nn.CrossEntropyLoss): minus the sum over classes of a ln softmax(z), with a the truth,
 * weighted and smoothed; slope (sum of a) softmax(z) - a. Without the fused loss operators, and without OneHot: WebGPU has
 * no kernels for them.
 */
export const softmaxCrossEntropy = (options: SoftmaxCrossEntropyOptions): Loss => ({
  judges: (graph) => [judgedOf(graph, options.output, WITHIN).value],
  append: (g, [logits = ''], graph) =>
    append(g, classesOf(g, logits, options, judgedOf(graph, options.output, WITHIN)), options),
});

const append = (g: Emitter, classes: Classes, options: SoftmaxCrossEntropyOptions): LossNodes => {
  const { output: logits, axis } = classes;
  const logs = g.op('LogSoftmax', [logits], { axis });
  const { y, truth, share, mass, kept, divisorMass, picked } = truthOf(g, classes, logs, options);
  const losses = g.op('Sub', [g.scalar(0, picked), picked]); // a loss of nothing is 0, not -0
  const { metrics, examples, divisor } = classSums(g, classes, {
    y: y.name,
    truth,
    losses,
    mass: divisorMass,
    kept,
  });
  const softmax = g.op('Exp', [logs]);
  const slope = g.op('Sub', [mass === undefined ? softmax : g.op('Mul', [softmax, mass]), share]);
  return {
    labels: [y],
    metrics,
    examples,
    seeds: new Map([[logits, reduced(g, slope, divisor, options.reduction)]]),
  };
};

interface Truth {
  readonly y: Value;
  /** The right class of each position, with a class axis of 1. */
  readonly truth: string;
  /** a: how much each class counts, in the output's shape. */
  readonly share: string;
  /** The sum of a over the classes; left out where it is 1. */
  readonly mass?: string | undefined;
  /** a ln softmax(z): what each class adds to minus the loss. */
  readonly picked: string;
  readonly kept?: string | undefined;
  /** What the mean weighs each position with; left out where that is 1. */
  readonly divisorMass?: string | undefined;
}

const truthOf = (
  g: Emitter,
  classes: Classes,
  logs: string,
  options: SoftmaxCrossEntropyOptions,
): Truth => {
  const smoothing = options.labelSmoothing ?? 0;
  if (!(smoothing >= 0 && smoothing <= 1)) {
    refuse({
      reason: 'bad_option',
      option: 'loss.labelSmoothing',
      detail: `expected a number in [0, 1], got ${smoothing}`,
    });
  }
  return options.labels === 'probabilities'
    ? softTruth(g, classes, logs, smoothing, options)
    : indexTruth(g, classes, logs, smoothing, options);
};

const indexTruth = (
  g: Emitter,
  classes: Classes,
  logs: string,
  smoothing: number,
  options: SoftmaxCrossEntropyOptions,
): Truth => {
  const { axis, count } = classes;
  const { y, label, chosen, weighted, weights, kept, mass } = indexLabels(g, classes, options);
  const along = (x: string): string => g.reduce('ReduceSum', x, [axis], 1);
  const common = { y, truth: label, kept, divisorMass: mass };
  if (smoothing === 0) {
    // Not the product with a one-hot: a logit of -inf elsewhere (a masked class) would make it NaN.
    const own = g.op('Where', [chosen, logs, g.scalar(0, logs)]);
    const picked = mass === undefined ? own : g.op('Mul', [mass, own]);
    return { ...common, share: weighted, mass, picked };
  }
  const even = g.scalar(smoothing / count, logs);
  const spread = weights === undefined ? even : g.op('Mul', [weights, even]);
  const share = g.op('Add', [
    g.op('Mul', [weighted, g.scalar(1 - smoothing, weighted)]),
    kept === undefined ? spread : g.op('Mul', [kept, spread]),
  ]);
  const picked = g.op('Mul', [share, logs]);
  return { ...common, share, mass: weights === undefined ? kept : along(share), picked };
};

const softTruth = (
  g: Emitter,
  classes: Classes,
  logs: string,
  smoothing: number,
  { classWeights, ignoreIndex }: SoftmaxCrossEntropyOptions,
): Truth => {
  if (ignoreIndex !== undefined) {
    refuse({
      reason: 'bad_option',
      option: 'loss.ignoreIndex',
      detail: 'labels that are probabilities have no index',
    });
  }
  const { axis, shape, count } = classes;
  const type = { dtype: 'F32', shape } as const;
  const y = { name: g.input(g.fresh('y'), type), ...type };
  const smooth =
    smoothing === 0
      ? y.name
      : g.op('Add', [
          g.op('Mul', [y.name, g.scalar(1 - smoothing, y.name)]),
          g.scalar(smoothing / count, y.name),
        ]);
  const share =
    classWeights === undefined
      ? smooth
      : g.op('Mul', [smooth, weightsOf(g, classes, classWeights)]);
  const along = (x: string): string => g.reduce('ReduceSum', x, [axis], 1);
  return {
    y,
    truth: firstMaximum(g, classes, y.name),
    share,
    mass: along(share),
    picked: g.op('Mul', [share, logs]),
  };
};
