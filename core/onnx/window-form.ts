import { toAttributeProtos } from './attribute.ts';
import type { Attributes } from './attribute.ts';
import { isStatic } from './dim.ts';
import type { NodeView } from './node-view.ts';
import type { AttributeProto } from './proto/onnx_pb.ts';
import { explicit, windowOf, windowOfTransposed } from './window.ts';
import type { Window } from './window.ts';

/**
 * Attributes that say the same window in a form that runtimes read alike. Explicit pads instead of auto_pad SAME, which
 * ONNX Runtime refuses beside dilations. And floor, or another end padding, where ceil_mode is read in two ways, so that
 * what reads the result wouldn't load: kernels drop a last window that starts in the padding, ONNX's shape inference
 * counts it; and it overlooks LpPool's ceil_mode.
 */
export const plainWindow = (n: NodeView): AttributeProto[] => {
  const { domain, opType, attribute } = n.proto;
  if (domain !== '') return attribute;
  if (opType === 'ConvTranspose') return plainTransposed(n);
  if (!SLIDING.has(opType)) return attribute;
  const kernel = opType === 'Conv' ? n.shape(1).slice(2) : (n.ints('kernel_shape') ?? []);
  if (![...kernel, ...n.shape(0).slice(2)].every(isStatic)) return attribute;
  const w = windowOf(n, kernel.map(Number));
  if (n.text('auto_pad', 'NOTSET').startsWith('SAME')) {
    return withPads(n, explicit(w)['pads'] ?? []);
  }
  const overlooked = opType === 'LpPool' && n.int('ceil_mode', 0) === 1;
  if (!w.dropsWindow && !overlooked) return attribute;
  const counts = (padsEnd: readonly number[], round: Round): boolean =>
    w.output.every((size, axis) => size === fitting({ ...w, padsEnd }, axis, round));
  if (counts(w.padsEnd, 'floor')) return withSet(n, { ceil_mode: 0 });
  const shorter = endsOf(w, 'ceil');
  if (!overlooked && counts(shorter, 'ceil')) return withPads(n, [...w.padsBegin, ...shorter]);
  const longer = endsOf(w, 'floor');
  // Kernels take no padding that a kernel would fit in, be it dilated; and some count the cells in it.
  const taken = longer.every((by, axis) => by < (w.kernel[axis] ?? 1));
  return taken && n.int('count_include_pad', 0) === 0
    ? withPads(n, [...w.padsBegin, ...longer], { ceil_mode: 0 })
    : attribute;
};

/** A ConvTranspose's own pads, where auto_pad or an output_shape would have them worked out. */
const plainTransposed = (n: NodeView): AttributeProto[] => {
  const worked = n.text('auto_pad', 'NOTSET').startsWith('SAME') || n.hasAttribute('output_shape');
  if (!worked || ![n.shape(0), n.shape(1)].every((dims) => dims.slice(2).every(isStatic)))
    return n.proto.attribute;
  const { padsBegin, padsEnd } = windowOfTransposed(n);
  return withPads(n, [...padsBegin, ...padsEnd]).filter(({ name }) => name !== 'output_shape');
};

type Round = 'floor' | 'ceil';

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
const fitting = (w: Window, axis: number, round: Round): number => {
  const room = (w.input[axis] ?? 0) + (w.padsBegin[axis] ?? 0) + (w.padsEnd[axis] ?? 0);
  return Math[round]((room - reach(w, axis, 1)) / (w.strides[axis] ?? 1)) + 1;
};

/** End pads, up to where the last window ends on axes where the given ones leave room for another number of them. */
const endsOf = (w: Window, round: Round): number[] =>
  w.output.map((size, axis) =>
    size === fitting(w, axis, round)
      ? (w.padsEnd[axis] ?? 0)
      : Math.max(0, reach(w, axis, size) - (w.input[axis] ?? 0) - (w.padsBegin[axis] ?? 0)),
  );
