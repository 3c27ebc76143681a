import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { firstOutput } from './judged.ts';
import { sumOf } from './loss.ts';
import type { Loss, LossNodes, Reduction } from './loss.ts';

export interface SoftmaxCrossEntropyOptions {
  readonly reduction?: Reduction;
}

/**
 * Mean over the batch of log(sum e^z) - z[label], from logits z [batch, classes] and int32 labels [batch].
 * Written in primitives: the fused loss operators, and OneHot, fall back to the CPU on WebGPU. The log-sum-exp is taken
 * of z - max z, which never overflows. dz = (softmax(z) - onehot(y)) / batch.
 */
export const softmaxCrossEntropy = (options: SoftmaxCrossEntropyOptions): Loss => ({
  judges: firstOutput('Softmax', 'LogSoftmax'),
  append: (g, [logits = '']) => append(g, logits, options),
});

const append = (
  g: Emitter,
  logits: string,
  { reduction = 'mean' }: SoftmaxCrossEntropyOptions,
): LossNodes => {
  const type = g.types.get(logits);
  const [batch, classes] = type?.shape ?? [];
  if (
    type?.shape.length !== 2 ||
    batch === undefined ||
    classes === undefined ||
    !isStatic(classes)
  ) {
    return refuse({
      reason: 'loss_mismatch',
      expected: 'logits [batch, classes]',
      got: `${logits} ${JSON.stringify(type?.shape ?? 'of unknown shape')}`,
    });
  }
  const y = { name: g.fresh('y'), dtype: 'I32', shape: [batch] } as const;
  g.input(y.name, y);
  const shifted = g.op('Sub', [logits, g.reduce('ReduceMax', logits, [1], 1)]);
  const exps = g.op('Exp', [shifted]);
  const total = g.reduce('ReduceSum', exps, [1], 1);
  const counted = g.constant({
    dtype: 'I32',
    shape: [1, classes],
    data: Int32Array.from({ length: classes }, (_, i) => i),
  });
  const isLabel = g.op('Equal', [g.op('Unsqueeze', [y.name, g.ints([1])]), counted]);
  const oneHot = g.op('Cast', [isLabel], { to: 1 });
  const chosen = g.reduce('ReduceSum', g.op('Mul', [shifted, oneHot]), [1], 1);
  const losses = g.op('Sub', [g.op('Log', [total]), chosen]);
  const best = g.op('Cast', [g.op('ArgMax', [logits], { axis: 1, keepdims: 0 })], { to: 6 });
  const hits = g.op('Cast', [g.op('Equal', [best, y.name])], { to: 1 });
  const examples = g.op('Cast', [g.op('Size', [y.name])], { to: 1 });
  const slope = g.op('Sub', [g.op('Div', [exps, total]), oneHot]);
  const sum = g.reduce('ReduceSum', losses, [0, 1], 0);
  const correct = g.reduce('ReduceSum', hits, [0], 0);
  return {
    labels: [y],
    metrics: [
      { name: 'loss', sum: sumOf(g, 'loss_sum', sum) },
      { name: 'accuracy', sum: sumOf(g, 'correct', correct) },
    ],
    examples: sumOf(g, 'examples', examples),
    seeds: new Map([[logits, reduction === 'sum' ? slope : g.op('Div', [slope, examples])]]),
  };
};
