import type { Dim } from '../dim.ts';
import { windowOf } from '../window.ts';
import type { ShapeRule } from './rule.ts';

/** X [N, C, ...], W [M, C/group, ...k] -> [N, M, ...]. */
export const conv: ShapeRule = (n) => {
  const [batch, weight] = [n.shape(0)[0] ?? n.unknown(0), n.shape(1)];
  const kernel = weight.slice(2).map((dim) => n.number(dim, 'because it is a kernel'));
  const channels = weight[0] ?? n.malformed('expected a weight');
  return [{ dtype: n.type(0).dtype, shape: [batch, channels, ...windowOf(n, kernel).output] }];
};

/** out = stride * (in - 1) + output_padding + extent - pads (explicit pads only). */
export const convTranspose: ShapeRule = (n) => {
  if (n.hasAttribute('output_shape') || n.text('auto_pad', 'NOTSET') !== 'NOTSET') {
    return n.malformed('output_shape and auto_pad are not read');
  }
  const [x, weight] = [n.shape(0), n.shape(1)];
  const perGroup = n.number(weight[1] ?? 1, 'because it counts channels');
  const spatial = x.slice(2).map((dim, axis): Dim => {
    const rank = x.length - 2;
    const size = n.number(dim, 'because a window slides over it');
    const kernel = n.number(weight[2 + axis] ?? 1, 'because it is a kernel');
    const pads = (n.ints('pads')?.[axis] ?? 0) + (n.ints('pads')?.[rank + axis] ?? 0);
    return (
      (n.ints('strides')?.[axis] ?? 1) * (size - 1) +
      (n.ints('output_padding')?.[axis] ?? 0) +
      ((kernel - 1) * (n.ints('dilations')?.[axis] ?? 1) + 1) -
      pads
    );
  });
  return [
    {
      dtype: n.type(0).dtype,
      shape: [x[0] ?? n.unknown(0), perGroup * n.int('group', 1), ...spatial],
    },
  ];
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

/** MaxPool and AveragePool; MaxPool's second output, where asked for, is the flat index of each maximum. */
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
