import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { transposedWindow, windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import type { Rule } from './rule.ts';

/**
 * Y = X * W over [N, C, ...], W [M, C/group, ...k], any rank.
 * dX = the transposed convolution of dY with the same W, exactly as large as X;
 * dW = X * dY with batch and channels exchanged, written as the target does it best: lowering/;
 * dB = dY summed over all but the channels.
 */
export const conv: Rule = (n, g) => {
  const kernel = n
    .shape(1)
    .slice(2)
    .map((dim) => n.number(dim, 'because it is a kernel'));
  const window = windowOf(n, kernel);
  const group = n.int('group', 1);
  const others = [0, ...kernel.map((_, axis) => axis + 2)];
  return [
    n.needs(0)
      ? g.op('ConvTranspose', [n.grad, n.in(1)], { group, ...transposedWindow(window) })
      : null,
    n.needs(1) ? weightGradient(g, n.in(0), n.grad, window, group) : null,
    n.needs(2) ? g.reduce('ReduceSum', n.grad, others, 0) : null,
  ];
};

/** d/dW of Y = X * W, from X and dY. */
const weightGradient = (g: Emitter, x: string, dy: string, w: Window, group: number): string =>
  g.op(
    'ConvWeightGrad',
    [x, dy],
    {
      group,
      kernel_shape: w.kernel,
      strides: w.strides,
      dilations: w.dilations,
      pads: [...w.padsBegin, ...w.padsEnd],
    },
    ABSTRACT,
  );
