import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import type { Lowering } from './rule.ts';

/**
 * (x, dy) -> dW [M, C/group, ...k] of Y = X * W. Batch and channels exchanged, dW is a convolution too: dY slides over X
 * as a kernel, strides and dilations exchanged.
 */
export const convWeightGradient: Lowering = (n, g) => {
  const window = windowOf(n, n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing'));
  const wanted = fitted(n, g, window);
  return window.dilations.at(-1) === 1 ? wide(n, g, wanted) : narrow(n, g, wanted);
};

interface Fitted extends Window {
  readonly x: string;
  readonly channels: number;
  readonly group: number;
}

/** The window with as much end padding as its outputs reached; input cells that none of them read are cut off. */
const fitted = (n: NodeView, g: Emitter, w: Window): Fitted => {
  const group = n.int('group', 1);
  const channels = n.number(n.shape(0)[1] ?? 1, 'because it counts channels') / group;
  const reach = w.output.map(
    (size, axis) =>
      (size - 1) * (w.strides[axis] ?? 1) +
      ((w.kernel[axis] ?? 1) - 1) * (w.dilations[axis] ?? 1) +
      1,
  );
  const padsEnd = reach.map((by, axis) => by - (w.padsBegin[axis] ?? 0) - (w.input[axis] ?? 0));
  if (padsEnd.every((by) => by >= 0)) return { ...w, x: n.in(0), channels, group, padsEnd };
  // What is cut off may be all of X, and reach into its padding: that is written out first.
  const none = reach.map(() => 0);
  const padded = g.op('Pad', [
    n.in(0),
    g.ints([0, 0, ...w.padsBegin, 0, 0, ...padsEnd.map((by) => Math.max(by, 0))]),
  ]);
  const axes = g.ints(reach.map((_, axis) => axis + 2));
  const x = g.op('Slice', [padded, g.ints(none), g.ints(reach), axes]);
  return { ...w, x, channels, group, input: reach, padsBegin: none, padsEnd: none };
};

/**
 * The channels innermost, as part of the last axis: all of a dW row is the output of one example, so the runtime
 * multiplies matrices as wide as dW and copies whole runs of channels when it lays out the columns.
 */
const wide = (n: NodeView, g: Emitter, w: Fitted): string => {
  const last = w.kernel.length - 1;
  const inLast = (sizes: readonly number[]): number[] =>
    sizes.map((size, axis) => (axis === last ? size * w.channels : size));
  const found = g.op(
    'Conv',
    [
      g.op('Reshape', [byGroup(g, w, 'last'), g.ints([1, -1, ...inLast(w.input)])]),
      examplesInside(g, n.in(1)),
    ],
    {
      group: w.group,
      strides: w.dilations,
      dilations: inLast(w.strides),
      pads: [...inLast(w.padsBegin), ...inLast(w.padsEnd)],
    },
  );
  const rows = g.op('Reshape', [found, g.ints([-1, ...w.kernel, w.channels])]);
  const order = w.kernel.map((_, axis) => axis + 1);
  return g.op('Transpose', [rows], { perm: [0, order.length + 1, ...order] });
};

/** The channels as examples: what is left where the last axis is dilated, and can't hold them. */
const narrow = (n: NodeView, g: Emitter, w: Fitted): string => {
  const x = g.op('Reshape', [byGroup(g, w, 'first'), g.ints([w.channels, -1, ...w.input])]);
  const found = g.op('Conv', [x, examplesInside(g, n.in(1))], {
    group: w.group,
    strides: w.dilations,
    dilations: w.strides,
    pads: [...w.padsBegin, ...w.padsEnd],
  });
  return examplesInside(g, found);
};

/** X as [group, N, ...], with the channels of a group `first` or `last`. */
const byGroup = (g: Emitter, w: Fitted, channels: 'first' | 'last'): string => {
  // 0 copies the batch, which stays symbolic.
  const split = g.op('Reshape', [w.x, g.ints([0, w.group, w.channels, ...w.input])]);
  const spatial = w.input.map((_, axis) => axis + 3);
  const perm = channels === 'first' ? [2, 1, 0, ...spatial] : [1, 0, ...spatial, 2];
  return g.op('Transpose', [split], { perm });
};

/** The first two axes exchanged. */
const examplesInside = (g: Emitter, x: string): string => {
  const rank = g.types.get(x)?.shape.length ?? 0;
  return g.op('Transpose', [x], {
    perm: Array.from({ length: rank }, (_, axis) => (axis < 2 ? 1 - axis : axis)),
  });
};
