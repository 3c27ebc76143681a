import type { Dim } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { transposedWindow, windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import type { GradientView, Rule } from './rule.ts';

/** The first two axes exchanged: channels as batch, batch as channels. */
const swapped = (g: Emitter, x: string, rank: number): string =>
  g.op('Transpose', [x], {
    perm: Array.from({ length: rank }, (_, axis) => (axis < 2 ? 1 - axis : axis)),
  });

/**
 * Y = X * W over [N, C, ...], W [M, C/group, ...k], any rank.
 * dX = the transposed convolution of dY with the same W, exactly as large as X;
 * dW = X * dY with batch and channels exchanged: dY slides over X as a kernel with strides and dilations exchanged;
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
    n.needs(1) ? weightGradient(n, g, window, group) : null,
    n.needs(2) ? g.reduce('ReduceSum', n.grad, others, 0) : null,
  ];
};

const weightGradient = (n: GradientView, g: Emitter, w: Window, group: number): string => {
  const rank = w.kernel.length + 2;
  const dy = swapped(g, n.grad, rank);
  const found = g.op('Conv', [channelsFirst(n, g, group, rank), dy], {
    group,
    strides: w.dilations,
    dilations: w.strides,
    pads: [...w.padsBegin, ...w.padsEnd],
  });
  // Where the stride left input cells unread at the end, the kernel comes out larger than it is.
  const cropped = w.kernel.some((size, axis) => g.types.get(found)?.shape[axis + 2] !== size)
    ? g.op('Slice', [
        found,
        g.ints(w.kernel.map(() => 0)),
        g.ints(w.kernel),
        g.ints(w.kernel.map((_, axis) => axis + 2)),
      ])
    : found;
  return swapped(g, cropped, rank);
};

/** X as [C/group, group * N, ...]: for each group, its examples as channels. */
const channelsFirst = (n: GradientView, g: Emitter, group: number, rank: number): string => {
  if (group === 1) return swapped(g, n.in(0), rank);
  const [, channels = 1, ...spatial] = n.shape(0);
  const perGroup = n.number(channels, 'because it is split into groups') / group;
  // 0 copies the batch, -1 takes group * N: both stay symbolic.
  const split = g.op('Reshape', [n.in(0), g.ints([0, group, perGroup, ...numbers(n, spatial)])]);
  const order = Array.from({ length: rank + 1 }, (_, axis) => axis);
  const turned = g.op('Transpose', [split], { perm: [2, 1, 0, ...order.slice(3)] });
  return g.op('Reshape', [turned, g.ints([perGroup, -1, ...numbers(n, spatial)])]);
};

const numbers = (n: GradientView, dims: readonly Dim[]): number[] =>
  dims.map((dim) => n.number(dim, 'because a window slides over it'));
