import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import type { Dim } from '../dim.ts';

export const shapeOf = (g: Emitter, node: string, value: string): readonly Dim[] =>
  g.types.get(value)?.shape ?? refuse({ reason: 'unknown_shape', node, value });

export const zerosLike = (g: Emitter, x: string): string => g.expandLike(g.scalar(0, x), x);

/** 0, 1, ... along an axis of x. */
export const positions = (g: Emitter, x: string, axis: number): string => {
  const dim = g.types.get(x)?.shape[axis];
  if (dim !== undefined && isStatic(dim)) return g.ints(Array.from({ length: dim }, (_, i) => i));
  const [zero, one] = [0, 1].map((value) => g.scalar(value, g.ints([])));
  const length = g.op('Squeeze', [g.op('Shape', [x], { start: axis, end: axis + 1 })]);
  return g.op('Range', [zero ?? '', length, one ?? '']);
};

/**
 * The transpose of a Gather: `dy` is shaped like x but for `axis`, where its i-th slice is added to slice `indices[i]` of
 * zeros shaped like x. By ScatterElements: ONNX Runtime's ScatterND loses additions when it has several threads.
 */
export const placed = (
  g: Emitter,
  dy: string,
  axis: number,
  indices: string,
  x: string,
): string => {
  const shape = g.types.get(dy)?.shape ?? [];
  const whole = g.types.get(x)?.shape ?? [];
  const alike = shape.every((dim, other) => other === axis || dim === whole[other]);
  const lengths = [
    ...(axis > 0 ? [g.op('Shape', [dy], { end: axis })] : []),
    g.op('Shape', [x], { start: axis, end: axis + 1 }),
    ...(axis < shape.length - 1 ? [g.op('Shape', [dy], { start: axis + 1 })] : []),
  ];
  const zeros = alike
    ? zerosLike(g, x)
    : g.op('Expand', [g.scalar(0, dy), g.op('Concat', lengths, { axis: 0 })]);
  const column = shape.map((_, other) => (other === axis ? -1 : 1));
  const everywhere = g.expandLike(g.op('Reshape', [indices, g.ints(column)]), dy);
  return g.op('ScatterElements', [zeros, everywhere, dy], { axis, reduction: 'add' });
};
