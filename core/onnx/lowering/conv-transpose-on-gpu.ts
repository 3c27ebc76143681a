import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { explicit, transposedWindow, windowOfTransposed } from '../window.ts';
import type { Window } from '../window.ts';
import type { Rewrite } from './rule.ts';

/**
 * ONNX Runtime's WebGPU kernel has no third dimension, and computes something else where groups have an even number of
 * input channels and one output channel.
 */
export const convTransposeOnGpu: Rewrite = (n, g) => {
  const group = n.int('group', 1);
  const window = windowOfTransposed(n);
  if (window.kernel.length > 2 && group === 1) {
    return withBias(n, g, byConv(g, n.in(0), n.in(1), window));
  }
  const inputs = n.number(n.shape(1)[0] ?? 1, 'because it counts channels') / group;
  return group > 1 && n.shape(1)[1] === 1 && inputs % 2 === 0
    ? withBias(n, g, byTwos(n, g, window))
    : undefined;
};

const withBias = (n: NodeView, g: Emitter, y: string): string => {
  if (!n.has(2)) return y;
  const axes = n.shape(0).flatMap((_, axis) => (axis < 2 ? [] : [axis - 1]));
  return g.op('Add', [y, g.op('Unsqueeze', [n.in(2), g.ints(axes)])]);
};

/** A second output channel of zeros for each group, dropped again. */
const byTwos = (n: NodeView, g: Emitter, w: Window): string => {
  const none = w.kernel.map(() => 0);
  const weight = g.op('Pad', [n.in(1), g.ints([0, 0, ...none, 0, 1, ...none])]);
  const group = n.int('group', 1);
  const both = g.op('ConvTranspose', [n.in(0), weight], { group, ...transposedWindow(w) });
  return g.op('Slice', [both, ...[[0], [2 * group], [1], [2]].map((list) => g.ints(list))]);
};

/**
 * The transposed convolution of one group by a convolution: X with stride - 1 zeros after each cell and then padded, and
 * W turned round in each dimension.
 */
export const byConv = (g: Emitter, input: string, kernel: string, w: Window): string => {
  const spatial = w.kernel.map((_, axis) => axis + 2);
  const sizes = [...w.output];
  const apart = spatial.reduce((x, axis, i) => {
    const stride = w.strides[i] ?? 1;
    if (stride === 1) return x;
    sizes[i] = (sizes[i] ?? 1) * stride;
    const cell = g.op('Unsqueeze', [x, g.ints([axis + 1])]);
    const pads = Array.from({ length: 12 }, (_, at) => (at === 6 + axis + 1 ? stride - 1 : 0));
    return g.op('Reshape', [g.op('Pad', [cell, g.ints(pads)]), g.ints([0, 0, ...sizes])]);
  }, input);
  const extents = w.kernel.map((size, i) => (size - 1) * (w.dilations[i] ?? 1));
  const begins = extents.map((by, i) => by - (w.padsBegin[i] ?? 0));
  const ends = extents.map((by, i) => (w.input[i] ?? 1) + by - (begins[i] ?? 0) - (sizes[i] ?? 1));
  const cut = g.op('Slice', [
    apart,
    g.ints(begins.map((by) => Math.max(0, -by))),
    g.ints(ends.map((by, i) => (sizes[i] ?? 1) + Math.min(0, by))),
    g.ints(spatial),
  ]);
  const over = (list: readonly number[]): number[] => [0, 0, ...list.map((by) => Math.max(0, by))];
  const padded = g.op('Pad', [cut, g.ints([...over(begins), ...over(ends)])]);
  const turned = spatial.reduce((x, axis, i) => {
    const size = w.kernel[i] ?? 1;
    const order = Array.from({ length: size }, (_, at) => size - 1 - at);
    return size === 1 ? x : g.op('Gather', [x, g.ints(order)], { axis });
  }, kernel);
  const weight = g.op('Transpose', [turned], { perm: [1, 0, ...spatial] });
  const { kernel_shape, dilations } = explicit(w);
  return g.op('Conv', [padded, weight], {
    kernel_shape: kernel_shape ?? [],
    dilations: dilations ?? [],
  });
};
