/** How the operators whose form changed between opsets 9 and 17 are written now. The changed opset is in the registry. */
import type { Attributes } from '../attribute.ts';
import type { Upgrade } from './rule.ts';

/** An attribute of integers that became input `at`. */
export const listInput =
  (name: string, at = 1): Upgrade =>
  (n) => [
    n.as(n.proto.opType, [...n.proto.input.slice(0, at), n.list(name, n.ints(name))], [name]),
  ];

/** starts, ends, axes become inputs. */
export const slice: Upgrade = (n) => {
  const names = ['starts', 'ends', 'axes'];
  return [n.as('Slice', [n.in(0), ...names.map((name) => n.list(name, n.ints(name)))], names)];
};

/** k becomes an input of one element. */
export const topK: Upgrade = (n) =>
  n.has('k') ? [n.as('TopK', [n.in(0), n.list('k', [n.int('k', 0)])], ['k'])] : [n.proto];

/** pads and value become inputs. */
export const pad: Upgrade = (n) => [
  n.as(
    'Pad',
    [n.in(0), n.list('pads', n.ints('pads')), n.scalar('value', n.float('value', 0))],
    ['pads', 'value'],
  ),
];

/** min and max become inputs. */
export const clip: Upgrade = (n) => {
  const bound = (name: string): string => (n.has(name) ? n.scalar(name, n.float(name, 0)) : '');
  return [n.as('Clip', [n.in(0), bound('min'), bound('max')], ['min', 'max'])];
};

/** ratio becomes an input; without `training_mode` it is the identity, as inference always had it. */
export const dropout: Upgrade = (n) => [
  n.as('Dropout', [n.in(0), n.scalar('ratio', n.float('ratio', 0.5))], ['ratio']),
];

export const renamed =
  (opType: string): Upgrade =>
  (n) => [n.as(opType, n.proto.input)];

/**
 * Upsample, and Resize before it knew how to place coordinates: cells are counted from the corner, and `nearest` rounds
 * down when it enlarges, up when it shrinks (as ONNX Runtime has it).
 */
export const resize: Upgrade = (n) => {
  const scales = n.constantOf(1)?.data;
  const shrinks = scales !== undefined && Array.from(scales, Number).some((scale) => scale < 1);
  if (shrinks && Array.from(scales, Number).some((scale) => scale > 1)) {
    n.unsupported('it enlarges one axis and shrinks another; export with opset 11 or newer');
  }
  const placed: Attributes = {
    mode: n.text('mode', 'nearest').replace('bilinear', 'linear'),
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: shrinks ? 'ceil' : 'floor',
  };
  return [n.as('Resize', [n.in(0), '', n.in(1)], [], placed)];
};

/** Softmax, LogSoftmax and Hardmax took all axes from `axis` on as one; of the last axis, they meant what they mean now. */
export const flattened: Upgrade = (n) => {
  const axis = n.int('axis', 1);
  if (axis === -1 || axis + 1 === n.outRank) {
    return [n.as(n.proto.opType, [n.in(0)], [], { axis: -1 })];
  }
  const [shape, size] = n.make('Shape', [n.in(0)], 'shape');
  const [flat, rows] = n.make('Flatten', [n.in(0)], 'rows', { axis });
  const [each, result] = n.make(n.proto.opType, [rows], 'each row', { axis: -1 });
  return [shape, flat, each, n.as('Reshape', [result, size], ['axis'])];
};

/** Training was asked for by more outputs; two of them are no more. */
export const batchNormalization: Upgrade = (n) => {
  const training = n.proto.output.slice(1).some((name) => name !== '');
  const node = n.as('BatchNormalization', n.proto.input, ['spatial'], {
    ...(training && { training_mode: 1 }),
  });
  node.output = node.output.slice(0, training ? 3 : 1);
  return [node];
};

/** The pixel centres that opset 16 made the default are half a pixel off from before. */
export const roiAlign: Upgrade = (n) => [
  n.as('RoiAlign', n.proto.input, [], { coordinate_transformation_mode: 'output_half_pixel' }),
];
