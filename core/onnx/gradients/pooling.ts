import type { Emitter } from '../emitter.ts';
import { ABSTRACT } from '../emitter.ts';
import { isStatic, product } from '../dim.ts';
import { cellCounts, explicit, tiles, transposedWindow, windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import { reluGradient } from './activation.ts';
import { constantLike } from './constant.ts';
import { castLike, sign } from './elementwise.ts';
import type { GradientView, Rule, Unless } from './rule.ts';

const poolWindow = (n: GradientView): Window =>
  windowOf(n, n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing'));

/** Most such windows are written otherwise (window-form.ts), unless one axis needs what another forbids. */
export const endsOpen: Unless = (n) =>
  n.int('ceil_mode', 0) === 1 && windowOf(n, n.ints('kernel_shape') ?? []).dropsWindow
    ? 'with ceil_mode, its last window would start in the padding, where runtimes disagree, and no pads say the same; pad explicitly'
    : undefined;

/** Each output's gradient goes to the first maximum of its window. How that is written depends on the target: lowering/. */
export const maxPool: Rule = (n, g) => {
  const attributes = { ...explicit(poolWindow(n)), ceil_mode: n.int('ceil_mode', 0) };
  const maker = g.nodes.find((node) => node.output.includes(n.in(0)));
  // Only the largest cells get a gradient: whether a ReLU let them through shows in the output.
  const dy = maker?.opType === 'Relu' ? reluGradient(g, n.out(0), n.grad) : n.grad;
  return [g.op('MaxPoolGrad', [n.in(0), n.out(0), dy], attributes, ABSTRACT)];
};

/** dX = dY / (cells counted), spread over each window. */
export const averagePool: Rule = (n, g) => {
  const window = poolWindow(n);
  const counts = cellCounts(window, n.int('count_include_pad', 0) === 1);
  const [first = 1] = counts;
  const divisor = counts.every((count) => count === first)
    ? g.scalar(first, n.grad)
    : constantLike(g, n.grad, window.output, Float32Array.from(counts));
  return [spread(n, g, g.op('Div', [n.grad, divisor]), window)];
};

/** y = (sum of |x|^p)^(1/p): dX = sign(x) |x|^(p-1) times (dY y^(1-p), spread over each window). */
export const lpPool: Rule = (n, g) => [
  lpShare(n, g, (share) => spread(n, g, share, poolWindow(n))),
];

/** ceil_mode is written as padding (window-form.ts); what is left of it is more than a runtime takes. */
export const reachesFar: Unless = (n) =>
  n.int('ceil_mode', 0) === 1
    ? 'with ceil_mode, its last dilated window reaches further than a runtime pads; pad explicitly'
    : undefined;

/** The same over all cells of a channel. */
export const globalLpPool: Rule = (n, g) => [lpShare(n, g, (share) => share)];

const lpShare = (n: GradientView, g: Emitter, spreading: (share: string) => string): string => {
  const p = n.int('p', 2);
  const x = n.in(0);
  const to = (of: string, power: number): string =>
    power === 1 ? of : g.op('Pow', [of, g.scalar(power, x)]);
  if (p === 1) return g.op('Mul', [sign(x, g), spreading(n.grad)]);
  // Where y is 0 there is no slope: PyTorch's would be infinite times 0.
  const zero = g.scalar(0, x);
  const one = g.scalar(1, x);
  const empty = g.op('Equal', [n.out(0), zero]);
  const norm = to(g.op('Where', [empty, one, n.out(0)]), p - 1);
  const share = spreading(g.op('Div', [n.grad, norm]));
  // sign(x) |x|^(p-1), where |x|^(p-2) is even
  const slope = p === 2 ? x : g.op('Mul', [x, to(g.op('Abs', [x]), p - 2)]);
  return g.op('Mul', [slope, share]);
};

/** Each output's value in every cell of its window, added up where windows overlap. */
const spread = (n: GradientView, g: Emitter, share: string, w: Window): string => {
  if (tiles(w)) {
    const cell = g.op('Reshape', [share, g.ints([0, 0, ...w.output.flatMap((size) => [size, 1])])]);
    const cells = w.output.flatMap((_, axis) => [1, w.kernel[axis] ?? 1]);
    return g.reshape(g.op('Expand', [cell, g.ints([1, 1, ...cells])]), n.shape(0), n.in(0));
  }
  // Channels are as good as examples: one kernel does for all.
  const ones = new Float32Array(w.kernel.reduce((a, b) => a * b, 1)).fill(1);
  const weight = constantLike(g, n.grad, [1, 1, ...w.kernel], ones);
  const apart = g.op('Reshape', [share, g.ints([-1, 1, ...w.output])]);
  const found = g.op('ConvTranspose', [apart, weight], { ...transposedWindow(w) });
  return g.reshape(found, n.shape(0), n.in(0));
};

/** dX = dY / (cells of a channel), the same everywhere. */
export const globalAveragePool: Rule = (n, g) => {
  const cells = product(n.shape(0).slice(2));
  const count = isStatic(cells)
    ? g.scalar(cells, n.grad)
    : castLike(g, g.op('Div', [g.op('Size', [n.in(0)]), g.op('Size', [n.out(0)])]), n.grad);
  return [g.expandLike(g.op('Div', [n.grad, count]), n.in(0))];
};

/** dY goes to the first maximum of each channel. */
export const globalMaxPool: Rule = (n, g) => {
  const flat = g.op('Reshape', [n.in(0), g.ints([0, 0, -1])]);
  const first = g.op('ArgMax', [flat], { axis: 2, keepdims: 1 });
  const zeros = g.expandLike(g.scalar(0, n.grad), flat);
  const dy = g.op('Reshape', [n.grad, g.ints([0, 0, 1])]);
  const placed = g.op('ScatterElements', [zeros, first, dy], { axis: 2 });
  return [g.reshape(placed, n.shape(0), n.in(0))];
};
