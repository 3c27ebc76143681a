import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import { NodeView } from '../node-view.ts';
import { windowOf, windowOfTransposed } from '../window.ts';
import type { ShapeRule } from './rule.ts';

/** X [N, C, ...], W [M, C/group, ...k] -> [N, M, ...]. */
export const conv: ShapeRule = (n) => {
  const kernel = n
    .shape(1)
    .slice(2)
    .map((dim) => n.number(dim, 'because it is a kernel'));
  const cells = slid(n, (view) => windowOf(view, kernel).output);
  const channels = n.shape(1)[0] ?? n.malformed('expected a weight');
  return [{ dtype: n.type(0).dtype, shape: [n.shape(0)[0] ?? n.unknown(0), channels, ...cells] }];
};

/** X [N, C, ...], W [C, M/group, ...k] -> [N, M, ...]. */
export const convTranspose: ShapeRule = (n) => {
  const perGroup = n.number(n.shape(1)[1] ?? 1, 'because it counts channels');
  const channels = perGroup * n.int('group', 1);
  const cells = slid(n, (view) => windowOfTransposed(view).input);
  return [{ dtype: n.type(0).dtype, shape: [n.shape(0)[0] ?? n.unknown(0), channels, ...cells] }];
};

/** Spatial sizes by `sizes`, which takes numbers; where the window is one cell that stands on each, a symbol passes. */
const slid = (n: NodeView, sizes: (view: NodeView) => readonly number[]): readonly Dim[] => {
  const [batch = 1, channels = 1, ...spatial] = n.shape(0);
  const passes = (axis: number): boolean =>
    !isStatic(spatial[axis] ?? 1) &&
    n.shape(1)[axis + 2] === 1 &&
    (n.ints('strides')?.[axis] ?? 1) === 1 &&
    !(n.ints('output_padding')?.[axis] || n.hasAttribute('output_shape')) &&
    !(n.ints('pads')?.[axis] || n.ints('pads')?.[axis + spatial.length]);
  if (!spatial.some((_, axis) => passes(axis))) return sizes(n);
  const shape = [batch, channels, ...spatial.map((dim, axis) => (passes(axis) ? 1 : dim))];
  const types = new Map(n.scope.types).set(n.in(0), { ...n.type(0), shape });
  const found = sizes(new NodeView(n.proto, { ...n.scope, types }));
  return found.map((size, axis) => (passes(axis) ? (spatial[axis] ?? size) : size));
};

/** (x [N, C, ...], dy [N, M, ...]) -> [M, C/group, ...kernel]. */
export const convWeightGradient: ShapeRule = (n) => {
  const channels = n.number(n.shape(0)[1] ?? 1, 'because it counts channels');
  const shape = [
    n.shape(1)[1] ?? 1,
    channels / n.int('group', 1),
    ...(n.ints('kernel_shape') ?? []),
  ];
  return [{ dtype: n.type(0).dtype, shape }];
};

/** MaxPool, AveragePool and LpPool; MaxPool's second output, where asked for, is the flat index of each maximum. */
export const pool: ShapeRule = (n) => {
  const x = n.type(0);
  const kernel = n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing');
  const shape = [...x.shape.slice(0, 2), ...windowOf(n, kernel).output];
  return [
    { dtype: x.dtype, shape },
    { dtype: 'I64', shape },
  ];
};

export const globalPool: ShapeRule = (n) => [
  { dtype: n.type(0).dtype, shape: n.shape(0).map((dim, axis) => (axis < 2 ? dim : 1)) },
];
