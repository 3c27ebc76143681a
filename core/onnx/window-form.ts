import { toAttributeProtos } from './attribute.ts';
import type { Attributes } from './attribute.ts';
import { isStatic } from './dim.ts';
import type { NodeView } from './node-view.ts';
import type { AttributeProto } from './proto/onnx_pb.ts';
import { explicit, windowOf } from './window.ts';
import type { Window } from './window.ts';

/**
 * Attributes that say the same window in a form that runtimes read alike. Explicit pads instead of auto_pad SAME, which
 * ONNX Runtime refuses beside dilations. And floor, or another end padding, where ceil_mode is read in two ways, so that
 * what reads the result wouldn't load: kernels drop a last window that starts in the padding, ONNX's shape inference
 * counts it; and it overlooks LpPool's ceil_mode.
 */
export const plainWindow = (n: NodeView): AttributeProto[] => {
  const { domain, opType, attribute } = n.proto;
  if (domain !== '' || !SLIDING.has(opType)) return attribute;
  const kernel = opType === 'Conv' ? n.shape(1).slice(2) : (n.ints('kernel_shape') ?? []);
  if (![...kernel, ...n.shape(0).slice(2)].every(isStatic)) return attribute;
  const w = windowOf(n, kernel.map(Number));
  if (n.text('auto_pad', 'NOTSET').startsWith('SAME')) {
    return withPads(n, explicit(w)['pads'] ?? []);
  }
  const overlooked = opType === 'LpPool' && n.int('ceil_mode', 0) === 1;
  if (!w.dropsWindow && !overlooked) return attribute;
  if (w.output.every((size, axis) => size === fitting(w, axis, 'floor'))) {
    return withSet(n, { ceil_mode: 0 });
  }
  if (!overlooked) return withPads(n, tight(w, 'ceil'));
  const pads = tight(w, 'floor');
  // Kernels take no padding that a kernel would fit in, be it dilated.
  const taken = pads.every((by, i) => by < (w.kernel[i % w.kernel.length] ?? 1));
  return taken ? withPads(n, pads, { ceil_mode: 0 }) : attribute;
};

const SLIDING = new Set(['AveragePool', 'Conv', 'LpPool', 'MaxPool']);

const withSet = (n: NodeView, set: Attributes): AttributeProto[] => [
  ...n.proto.attribute.filter(({ name }) => !(name in set)),
  ...toAttributeProtos(set),
];

const withPads = (n: NodeView, pads: readonly number[], more: Attributes = {}): AttributeProto[] =>
  withSet(n, { auto_pad: 'NOTSET', pads, ...more });

/** Cells from the first padding to the end of window number `count`, counted from 1. */
const reach = (w: Window, axis: number, count: number): number =>
  (count - 1) * (w.strides[axis] ?? 1) + ((w.kernel[axis] ?? 1) - 1) * (w.dilations[axis] ?? 1) + 1;

/** How many windows lie in the input and its padding. */
const fitting = (w: Window, axis: number, round: 'floor' | 'ceil'): number => {
  const room = (w.input[axis] ?? 0) + (w.padsBegin[axis] ?? 0) + (w.padsEnd[axis] ?? 0);
  return Math[round]((room - reach(w, axis, 1)) / (w.strides[axis] ?? 1)) + 1;
};

/** Pads that end where the last window does, on axes where other pads would leave room for another number of them. */
const tight = (w: Window, round: 'floor' | 'ceil'): number[] => [
  ...w.padsBegin,
  ...w.output.map((size, axis) =>
    size === fitting(w, axis, round)
      ? (w.padsEnd[axis] ?? 0)
      : Math.max(0, reach(w, axis, size) - (w.input[axis] ?? 0) - (w.padsBegin[axis] ?? 0)),
  ),
];
