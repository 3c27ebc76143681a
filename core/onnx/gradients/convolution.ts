import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { explicit, transposedWindow, windowOf, windowOfTransposed } from '../window.ts';
import type { Window } from '../window.ts';
import type { GradientView, Rule } from './rule.ts';

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
  return [
    n.needs(0)
      ? g.op('ConvTranspose', [n.grad, n.in(1)], { group, ...transposedWindow(window) })
      : null,
    n.needs(1) ? weightGradient(g, n.in(0), n.grad, window, group) : null,
    n.needs(2) ? perChannel(n, g) : null,
  ];
};

/**
 * Y = the transposed convolution of X with W [C, M/group, ...k], which is what carries a convolution's dY to its dX:
 * dX = dY * W; dW is that of the convolution which takes dY to dX; dB = dY summed over all but the channels.
 */
export const convTranspose: Rule = (n, g) => {
  const window = windowOfTransposed(n);
  const group = n.int('group', 1);
  return [
    n.needs(0) ? g.op('Conv', [n.grad, n.in(1)], { group, ...explicit(window) }) : null,
    n.needs(1) ? weightGradient(g, n.grad, n.in(0), window, group) : null,
    n.needs(2) ? perChannel(n, g) : null,
  ];
};

/** dY summed over all but the channels. */
const perChannel = (n: GradientView, g: Emitter): string =>
  g.reduce(
    'ReduceSum',
    n.grad,
    n.outShape().flatMap((_, axis) => (axis === 1 ? [] : [axis])),
    0,
  );

/** d/dW of Y = X * W, from X and dY. */
const weightGradient = (g: Emitter, x: string, dy: string, w: Window, group: number): string =>
  g.op('ConvWeightGrad', [x, dy], { group, ...explicit(w) }, ABSTRACT);
