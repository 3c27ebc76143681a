import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { tiles, transposedWindow, windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import { byConv } from './conv-transpose-on-gpu.ts';
import type { Lowering } from './rule.ts';

/**
 * (x, y, dy) -> dx without indices: compare x with the maximum of its window. Where several cells equal it, the first
 * takes the whole gradient, as the runtime's own indices and PyTorch have it.
 */
export const maxPoolMask: Lowering = (n, g) => {
  const window = windowOf(n, n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing'));
  return tiles(window) ? tiled(n, g, window) : sliding(n, g, window);
};

const toFloat = (g: Emitter, condition: string): string => g.op('Cast', [condition], { to: 1 });

/** x as [N, C, o, k, o, k] beside y as [N, C, o, 1, o, 1]. */
const tiled = (n: NodeView, g: Emitter, w: Window): string => {
  const [x, y, dy] = [n.in(0), n.in(1), n.in(2)];
  const channels = n.number(n.shape(0)[1] ?? 1, 'because windows are laid out per channel');
  const split = (of: string, cells: (axis: number) => number): string =>
    g.op('Reshape', [
      of,
      g.ints([0, channels, ...w.output.flatMap((size, axis) => [size, cells(axis)])]),
    ]);
  const one = (): number => 1;
  const equal = toFloat(g, g.op('Equal', [split(x, (axis) => w.kernel[axis] ?? 1), split(y, one)]));
  const cells = w.kernel.reduce((a, b) => a * b, 1);
  // Earlier cells score higher, so that only the first of equal maxima is left.
  const rank = g.constant({
    dtype: 'F32',
    shape: w.kernel.flatMap((size) => [1, size]),
    data: Float32Array.from({ length: cells }, (_, i) => cells - i),
  });
  const score = g.op('Mul', [equal, rank]);
  const best = g.reduce(
    'ReduceMax',
    score,
    w.kernel.map((_, axis) => 3 + 2 * axis),
    1,
  );
  const mask = toFloat(g, g.op('Equal', [score, best]));
  return g.reshape(g.op('Mul', [mask, split(dy, one)]), n.shape(0), x);
};

/** One strided slice of the padded x per kernel cell; a depthwise transposed convolution puts each share back in place. */
const sliding = (n: NodeView, g: Emitter, w: Window): string => {
  const [x, y, dy] = [n.in(0), n.in(1), n.in(2)];
  const spread = transposedWindow(w);
  const padsEnd = (spread['pads'] ?? []).slice(w.kernel.length);
  const lowest = g.scalar(-3.4028234663852886e38, x);
  const padded = [...w.padsBegin, ...padsEnd].some((by) => by > 0)
    ? g.op('Pad', [x, g.ints([0, 0, ...w.padsBegin, 0, 0, ...padsEnd]), lowest])
    : x;
  const spatial = w.kernel.map((_, axis) => axis + 2);
  let taken: string | undefined;
  const shares = cellsOf(w.kernel).map((cell) => {
    const starts = cell.map((k, axis) => k * (w.dilations[axis] ?? 1));
    const ends = starts.map(
      (start, axis) => start + ((w.output[axis] ?? 1) - 1) * (w.strides[axis] ?? 1) + 1,
    );
    const at = g.op('Slice', [
      padded,
      ...[starts, ends, spatial, w.strides].map((list) => g.ints(list)),
    ]);
    const equal = toFloat(g, g.op('Equal', [at, y]));
    const first =
      taken === undefined ? equal : g.op('Mul', [equal, g.op('Sub', [g.scalar(1, dy), taken])]);
    taken = taken === undefined ? first : g.op('Add', [taken, first]);
    return g.op('Unsqueeze', [g.op('Mul', [first, dy]), g.ints([2])]);
  });
  // Channels are as good as examples: one kernel does for all.
  const cells = shares.length;
  const together = g.op('Reshape', [
    g.op('Concat', shares, { axis: 2 }),
    g.ints([-1, cells, ...w.output]),
  ]);
  const oneHot = Float32Array.from({ length: cells * cells }, (_, i) =>
    Math.floor(i / cells) === i % cells ? 1 : 0,
  );
  const weight = g.constant({ dtype: 'F32', shape: [cells, 1, ...w.kernel], data: oneHot });
  const placed =
    w.kernel.length > 2
      ? byConv(g, together, weight, w)
      : g.op('ConvTranspose', [together, weight], spread);
  return g.reshape(placed, n.shape(0), x);
};

/** Positions in a kernel, row-major. */
const cellsOf = (kernel: readonly number[]): readonly (readonly number[])[] =>
  kernel.reduce<readonly (readonly number[])[]>(
    (cells, size) => cells.flatMap((cell) => Array.from({ length: size }, (_, k) => [...cell, k])),
    [[]],
  );
