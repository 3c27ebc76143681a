/** Operators that no gradient flows through: models have them before what is trained. */
import type { Dtype } from '../../tensors/dtype.ts';
import { dtypeOf } from '../element-type.ts';
import type { NodeView } from '../node-view.ts';
import { matMul } from './linear.ts';
import type { ShapeRule } from './rule.ts';

const asked = (n: NodeView, attribute: string, otherwise: Dtype): Dtype =>
  dtypeOf(n.int(attribute, 0)) ?? otherwise;

/** In the dtype of the zero point. */
export const quantizeLinear: ShapeRule = (n) => {
  const dtype = n.has(2) ? n.type(2).dtype : asked(n, 'output_dtype', 'U8');
  return [{ dtype, shape: n.shape(0) }];
};

/** In the dtype of the scale. */
export const dequantizeLinear: ShapeRule = (n) => [{ dtype: n.type(1).dtype, shape: n.shape(0) }];

/** The quantized, its scale and its zero point. */
export const dynamicQuantizeLinear: ShapeRule = (n) => [
  { dtype: 'U8', shape: n.shape(0) },
  { dtype: 'F32', shape: [] },
  { dtype: 'U8', shape: [] },
];

export const matMulInteger: ShapeRule = (n) =>
  matMul(n).map(({ shape }) => ({ dtype: 'I32', shape }));

/** RandomNormal and RandomUniform. */
export const drawn: ShapeRule = (n) => [
  { dtype: asked(n, 'dtype', 'F32'), shape: n.ints('shape') ?? n.malformed('shape is missing') },
];

/** Hann, Hamming and Blackman windows. */
export const spectralWindow: ShapeRule = (n) => [
  { dtype: asked(n, 'output_datatype', 'F32'), shape: [n.known(0)?.[0] ?? n.unknown(0)] },
];

/** Determinants of the last two axes. */
export const det: ShapeRule = (n) => [{ dtype: n.type(0).dtype, shape: n.shape(0).slice(0, -2) }];

/** X [N, C, ...] at a grid [N, ..., axes]. */
export const gridSample: ShapeRule = (n) => [
  { dtype: n.type(0).dtype, shape: [...n.shape(0).slice(0, 2), ...n.shape(1).slice(1, -1)] },
];

/** X [N, C, H, W] and regions [R, 4] -> [R, C, height, width]. */
export const roiAlign: ShapeRule = (n) => {
  const [regions = 1, channels = 1] = [n.shape(1)[0], n.shape(0)[1]];
  const size = [n.int('output_height', 1), n.int('output_width', 1)];
  return [{ dtype: n.type(0).dtype, shape: [regions, channels, ...size] }];
};
