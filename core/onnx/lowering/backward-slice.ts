import { isStatic } from '../dim.ts';
import { fromFront } from '../node-view.ts';
import type { Rewrite } from './rule.ts';

/** Before the first element, however long the axis is. */
const BEFORE_ALL = -(2 ** 53 - 1);

/**
 * ONNX Runtime's WebGPU starts every slice that goes backwards at the last element. So what lies behind its first is cut
 * off before.
 */
export const backwardSlice: Rewrite = (n, g) => {
  const numbers = (input: number): readonly number[] | undefined => {
    const known = n.known(input);
    return known?.every(isStatic) ? known : undefined;
  };
  const [starts, ends, steps] = [numbers(1), numbers(2), n.has(4) ? numbers(4) : []];
  const axes = n.has(3) ? numbers(3) : starts?.map((_, i) => i);
  if (starts === undefined || ends === undefined || steps === undefined || axes === undefined) {
    return undefined;
  }
  const shape = n.shape(0);
  const along = fromFront(axes, shape.length);
  const backward = steps.flatMap((step, i) => (step < 0 && starts[i] !== -1 ? [i] : []));
  const sizes = backward.map((i) => shape[along[i] ?? 0] ?? 0);
  if (backward.length === 0 || !sizes.every(isStatic)) return undefined;
  const behind = backward.map((i, at) => {
    const [start, size] = [starts[i] ?? 0, sizes[at] ?? 0];
    return Math.min(start < 0 ? start + size : start, size - 1) + 1;
  });
  const cut = g.op('Slice', [
    n.in(0),
    g.ints(backward.map(() => 0)),
    g.ints(behind),
    g.ints(backward.map((i) => along[i] ?? 0)),
  ]);
  const endOf = (end: number, i: number): number => {
    const size = sizes[backward.indexOf(i)];
    if (size === undefined || end >= 0) return end;
    return end + size < 0 ? BEFORE_ALL : end + size;
  };
  return g.op('Slice', [
    cut,
    g.ints(starts.map((start, i) => (backward.includes(i) ? -1 : start))),
    g.ints(ends.map(endOf)),
    g.ints(along),
    g.ints(steps),
  ]);
};
