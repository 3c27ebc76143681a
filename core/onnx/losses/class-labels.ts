import { intAttribute } from '../attribute.ts';
import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import type { Value } from '../graph.ts';
import { axisOf } from './axis.ts';
import type { Judged } from './judged.ts';
import type { CommonOptions, Metric, Sum } from './loss.ts';
import { elements, floatType, rows, sumOf, total, toFloat } from './sums.ts';

export interface ClassOptions extends CommonOptions {
  /** Where the classes lie. Default: where a closing Softmax or LogSoftmax has them, else 1. */
  readonly axis?: number;
  /** A weight for each class; the mean is then one over weights. */
  readonly classWeights?: readonly number[];
  /** Positions with this label count neither in the loss nor in the accuracy. */
  readonly ignoreIndex?: number;
}

/** An output with classes along an axis: a distribution for each position (example, pixel, token) of the rest. */
export interface Classes {
  readonly output: string;
  readonly axis: number;
  readonly shape: readonly Dim[];
  readonly count: number;
  /** The shape without the axis. */
  readonly positions: readonly Dim[];
}

export const classesOf = (
  g: Emitter,
  output: string,
  { axis }: ClassOptions,
  { closing }: Judged,
): Classes => {
  const expected = 'a float32 output [batch, ..., classes, ...]';
  const { shape } = floatType(g, output, expected);
  const own = closing === undefined ? undefined : intAttribute(closing, 'axis', -1);
  const at = axisOf(axis ?? own ?? 1, shape, output);
  if (own !== undefined && at !== axisOf(own, shape, output)) {
    refuse({
      reason: 'loss_mismatch',
      expected: `classes along axis ${own}, where the model's own ${closing?.opType} has them`,
      got: `axis ${axis}`,
    });
  }
  const count = shape[at];
  return count !== undefined && isStatic(count)
    ? { output, axis: at, shape, count, positions: shape.toSpliced(at, 1) }
    : refuse({
        reason: 'loss_mismatch',
        expected: 'a fixed number of classes',
        got: `${output} ${JSON.stringify(shape)}`,
      });
};

/** Integer labels, as losses read them. Values of one element per class are in the output's shape, others have 1 there. */
export interface IndexLabels {
  readonly y: Value;
  /** The label of each position. */
  readonly label: string;
  /** Whether a class is the label. */
  readonly chosen: string;
  /** The same as 1 (times the class weight) or 0; zeros where ignored. What a class's log-probability counts. */
  readonly weighted: string;
  /** Class weights, where there are any. */
  readonly weights?: string;
  /** 1, or 0 where ignored; left out where nothing is. */
  readonly kept?: string;
  /** The weight of each position; left out where all count 1. */
  readonly mass?: string;
}

export const indexLabels = (
  g: Emitter,
  classes: Classes,
  { classWeights, ignoreIndex }: ClassOptions,
): IndexLabels => {
  const { axis, count, positions } = classes;
  const y = { name: g.fresh('y'), dtype: 'I32', shape: positions } as const;
  g.input(y.name, y);
  const label = g.op('Unsqueeze', [y.name, g.ints([axis])]);
  const chosen = g.op('Equal', [label, numbers(g, classes)]);
  const oneHot = toFloat(g, chosen);
  const weights = classWeights && weightsOf(g, classes, classWeights);
  const ignored = ignoreIndex === undefined ? undefined : whole(ignoreIndex);
  const kept =
    ignored === undefined
      ? undefined
      : toFloat(g, g.op('Not', [g.op('Equal', [label, g.scalar(ignored, label)])]));
  // A label that is no class is chosen nowhere, so it needs no mask.
  const masks = kept !== undefined && ignored !== undefined && ignored >= 0 && ignored < count;
  const known = masks ? g.op('Mul', [oneHot, kept]) : oneHot;
  const weighted = weights === undefined ? known : g.op('Mul', [known, weights]);
  const mass = weights === undefined ? kept : g.reduce('ReduceSum', weighted, [axis], 1);
  return {
    y,
    label,
    chosen,
    weighted,
    ...(weights !== undefined && { weights }),
    ...(kept !== undefined && { kept }),
    ...(mass !== undefined && { mass }),
  };
};

const whole = (ignoreIndex: number): number =>
  Number.isInteger(ignoreIndex)
    ? ignoreIndex
    : refuse({
        reason: 'bad_option',
        option: 'loss.ignoreIndex',
        detail: `expected an integer, got ${ignoreIndex}`,
      });

/** The shape of one value per class, broadcast over the output. */
const perClass = ({ shape, axis, count }: Classes): readonly number[] => [
  count,
  ...shape.slice(axis + 1).map(() => 1),
];

export const weightsOf = (g: Emitter, classes: Classes, given: readonly number[]): string => {
  if (given.length !== classes.count || !given.every((x) => Number.isFinite(x) && x >= 0)) {
    refuse({
      reason: 'bad_option',
      option: 'loss.classWeights',
      detail: `expected ${classes.count} numbers >= 0, got ${given.join()}`,
    });
  }
  return g.constant({ dtype: 'F32', shape: perClass(classes), data: Float32Array.from(given) });
};

/** 0, 1, ... along the class axis. */
const numbers = (g: Emitter, classes: Classes): string =>
  g.constant({
    dtype: 'I32',
    shape: perClass(classes),
    data: Int32Array.from({ length: classes.count }, (_, i) => i),
  });

/** The number of the largest value along the class axis, which stays as 1; int32, the first of equals. */
export const firstMaximum = (g: Emitter, { axis }: Classes, x: string): string =>
  g.op('FirstMaximum', [x], { axis }, ABSTRACT);

/** What positions add up to: `loss` over the weights, `accuracy` over those that count, and the batch size. */
export interface ClassSums {
  readonly metrics: readonly Metric[];
  readonly examples: Sum;
  /** What the mean loss is over; never zero, so that a batch of ignored labels moves nothing. */
  readonly divisor: string;
}

export const classSums = (
  g: Emitter,
  classes: Classes,
  of: {
    readonly y: string;
    /** The right class of each position, int32, with a class axis of 1. */
    readonly truth: string;
    readonly losses: string;
    readonly mass?: string | undefined;
    readonly kept?: string | undefined;
  },
): ClassSums => {
  const hits = toFloat(g, g.op('Equal', [firstMaximum(g, classes, classes.output), of.truth]));
  const counted = of.kept === undefined ? hits : g.op('Mul', [hits, of.kept]);
  const flat = classes.positions.length === 1;
  const examples = sumOf(g, 'examples', rows(g, flat ? of.y : classes.output));
  const named = (output: string, mask: string | undefined): Sum | undefined =>
    mask !== undefined
      ? sumOf(g, output, total(g, mask))
      : flat
        ? undefined
        : sumOf(g, output, elements(g, of.truth, examples.value));
  const seen = named('positions', of.kept);
  const weight = of.mass === of.kept ? seen : named('weight', of.mass);
  const divisor = (weight ?? examples).value;
  const metric = (name: string, output: string, x: string, count: Sum | undefined): Metric => ({
    name,
    sum: sumOf(g, output, total(g, x)),
    ...(count && { count }),
  });
  return {
    metrics: [
      metric('loss', 'loss_sum', of.losses, weight),
      metric('accuracy', 'correct', counted, seen),
    ],
    examples,
    divisor:
      of.mass === undefined ? divisor : g.op('Clip', [divisor, g.scalar(2 ** -126, divisor)]),
  };
};
