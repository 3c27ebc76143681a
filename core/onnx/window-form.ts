import { toAttributeProtos } from './attribute.ts';
import type { Attributes } from './attribute.ts';
import { isStatic } from './dim.ts';
import type { NodeView } from './node-view.ts';
import type { AttributeProto } from './proto/onnx_pb.ts';
import { explicit, windowOf } from './window.ts';
import type { Window } from './window.ts';

/**
 * Attributes that say the same window in a form that runtimes read alike. Explicit pads instead of auto_pad SAME, which
 * ONNX Runtime refuses beside dilations. And where ceil_mode counts a last window that starts in the padding, which
 * kernels drop but ONNX's shape inference doesn't, so that what reads the result won't load: floor, or less end padding.
 */
export const plainWindow = (n: NodeView): AttributeProto[] => {
  if (n.proto.domain !== '' || !SLIDING.has(n.proto.opType)) return n.proto.attribute;
  const kernel = n.proto.opType === 'Conv' ? n.shape(1).slice(2) : (n.ints('kernel_shape') ?? []);
  if (![...kernel, ...n.shape(0).slice(2)].every(isStatic)) return n.proto.attribute;
  const window = windowOf(n, kernel.map(Number));
  if (n.text('auto_pad', 'NOTSET').startsWith('SAME')) {
    return withSet(n, { auto_pad: 'NOTSET', pads: explicit(window)['pads'] ?? [] });
  }
  if (!window.dropsWindow) return n.proto.attribute;
  const floors = window.output.every((size, axis) => size === fitting(window, axis, 'floor'));
  return floors
    ? withSet(n, { ceil_mode: 0 })
    : withSet(n, { pads: [...window.padsBegin, ...tightEnds(window)] });
};

const SLIDING = new Set(['AveragePool', 'Conv', 'LpPool', 'MaxPool']);

const withSet = (n: NodeView, set: Attributes): AttributeProto[] => [
  ...n.proto.attribute.filter(({ name }) => !(name in set)),
  ...toAttributeProtos(set),
];

/** Cells from the first padding to the end of window number `count`, counted from 1. */
const reach = (w: Window, axis: number, count: number): number =>
  (count - 1) * (w.strides[axis] ?? 1) + ((w.kernel[axis] ?? 1) - 1) * (w.dilations[axis] ?? 1) + 1;

/** How many windows lie in the input and its padding. */
const fitting = (w: Window, axis: number, round: 'floor' | 'ceil'): number => {
  const room = (w.input[axis] ?? 0) + (w.padsBegin[axis] ?? 0) + (w.padsEnd[axis] ?? 0);
  return Math[round]((room - reach(w, axis, 1)) / (w.strides[axis] ?? 1)) + 1;
};

/** End padding that the last window kept just reaches, on axes where one was dropped. */
const tightEnds = (w: Window): number[] =>
  w.output.map((size, axis) =>
    size === fitting(w, axis, 'ceil')
      ? (w.padsEnd[axis] ?? 0)
      : Math.max(0, reach(w, axis, size) - (w.input[axis] ?? 0) - (w.padsBegin[axis] ?? 0)),
  );
