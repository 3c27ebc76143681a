import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { explicit, transposedWindow, windowOf, windowOfTransposed } from '../window.ts';
import type { Rewrite } from './rule.ts';

/** The runtime multiplies a matrix per example, as wide as the example has cells, in tiles of 16 columns. */
const FEW = 12;

/** A convolution of images so small that all examples are better taken as one, side by side along one more axis. */
export const convFewCells: Rewrite = (n, g) => {
  const kernel = n.shape(1).slice(2);
  const window = windowOf(
    n,
    kernel.map((dim) => n.number(dim, 'because it is a kernel')),
  );
  return few(n, window.output) ? sideBySide(n, g, explicit(window)) : undefined;
};

export const convTransposeFewCells: Rewrite = (n, g) => {
  const window = windowOfTransposed(n);
  return few(n, window.output) ? sideBySide(n, g, transposedWindow(window)) : undefined;
};

const few = (n: NodeView, cells: readonly number[]): boolean =>
  cells.length <= 2 &&
  cells.reduce((a, b) => a * b, 1) < FEW &&
  n.shape(0)[0] !== 1 &&
  n.int('group', 1) === 1;

/** What an attribute says of the axis along which the examples lie: nothing happens there. */
const ALONG: Readonly<Record<string, number>> = { kernel_shape: 1, strides: 1, dilations: 1 };

const sideBySide = (
  n: NodeView,
  g: Emitter,
  attributes: Readonly<Record<string, readonly number[]>>,
): string => {
  const rank = n.rank(0);
  const swap = (x: string): string =>
    g.op('Transpose', [x], {
      perm: Array.from({ length: rank }, (_, axis) => (axis < 2 ? 1 - axis : axis)),
    });
  const wider = Object.entries(attributes).map(([name, values]) => {
    const spatial = rank - 2;
    const sides = name === 'pads' ? [values.slice(0, spatial), values.slice(spatial)] : [values];
    return [name, sides.flatMap((side) => [ALONG[name] ?? 0, ...side])];
  });
  const x = g.op('Unsqueeze', [swap(n.in(0)), g.ints([0])]);
  const weight = g.op('Unsqueeze', [n.in(1), g.ints([2])]);
  const bias = n.has(2) ? [n.in(2)] : [];
  const y = g.op(n.proto.opType, [x, weight, ...bias], Object.fromEntries(wider));
  return swap(g.op('Squeeze', [y, g.ints([0])]));
};
