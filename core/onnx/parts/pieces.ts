import type { Emitter } from '../emitter.ts';

/** Equal pieces along an axis. */
export const pieces = (g: Emitter, x: string, count: number, axis: number): readonly string[] =>
  count === 1
    ? [x]
    : g.ops('Split', [x], count, { axis, ...(g.opset >= 18 && { num_outputs: count }) });

/** Pieces of given lengths along an axis. */
export const cutInto = (
  g: Emitter,
  x: string,
  lengths: readonly number[],
  axis: number,
): readonly string[] => g.ops('Split', [x, g.ints(lengths)], lengths.length, { axis });
