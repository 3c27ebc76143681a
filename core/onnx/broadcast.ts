import type { Dim } from './dim.ts';
import { isStatic } from './dim.ts';

/** One dimension of a broadcast; undefined where two symbols, or two sizes, can't be reconciled. */
const broadcastDim = (a: Dim, b: Dim): Dim | undefined => {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (isStatic(a) !== isStatic(b)) return isStatic(a) ? a : b;
  return undefined;
};

/** Shape of an elementwise operation, as numpy broadcasts; undefined where the shapes don't fit. */
export const broadcastShapes = (
  ...shapes: readonly (readonly Dim[])[]
): readonly Dim[] | undefined => {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let dim: Dim | undefined = 1;
    for (const shape of shapes) {
      const own = shape[shape.length - rank + axis] ?? 1;
      dim = dim === undefined ? undefined : broadcastDim(dim, own);
    }
    if (dim === undefined) return undefined;
    result.push(dim);
  }
  return result;
};
