import { windowOf, windowOfTransposed } from '../window.ts';
import type { ShapeRule } from './rule.ts';

/** X [N, C, ...], W [M, C/group, ...k] -> [N, M, ...]. */
export const conv: ShapeRule = (n) => {
  const [batch, weight] = [n.shape(0)[0] ?? n.unknown(0), n.shape(1)];
  const kernel = weight.slice(2).map((dim) => n.number(dim, 'because it is a kernel'));
  const channels = weight[0] ?? n.malformed('expected a weight');
  return [{ dtype: n.type(0).dtype, shape: [batch, channels, ...windowOf(n, kernel).output] }];
};

/** X [N, C, ...], W [C, M/group, ...k] -> [N, M, ...]. */
export const convTranspose: ShapeRule = (n) => {
  const perGroup = n.number(n.shape(1)[1] ?? 1, 'because it counts channels');
  const channels = perGroup * n.int('group', 1);
  const shape = [n.shape(0)[0] ?? n.unknown(0), channels, ...windowOfTransposed(n).input];
  return [{ dtype: n.type(0).dtype, shape }];
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
