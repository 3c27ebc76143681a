/** Operators that join, cut, and frame tensors. */
import type { Dim } from '../dim.ts';
import { allStatic, isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import { placed, positions, zerosLike } from './placing.ts';
import type { GradientView, Rule, Unless } from './rule.ts';

// each input gets its slice of dY
export const concat: Rule = (n, g) => {
  const axis = n.axis('axis', 0, n.rank(0));
  const lengths = n.proto.input.map((_, i) => n.shape(i)[axis] ?? 0);
  if (!allStatic(lengths)) {
    const sizes = n.proto.input.map((name) =>
      g.op('Shape', [name], { start: axis, end: axis + 1 }),
    );
    const cuts = g.ops('Split', [n.grad, g.op('Concat', sizes, { axis: 0 })], sizes.length, {
      axis,
    });
    return cuts.map((cut, i) => g.shaped(cut, n.in(i)));
  }
  let start = 0;
  return lengths.map((length, i) => {
    const from = start;
    start += Number(length);
    return n.needs(i)
      ? g.op('Slice', [n.grad, g.ints([from]), g.ints([start]), g.ints([axis])])
      : null;
  });
};

// the pieces' gradients joined again; a piece that the loss doesn't depend on has zeros
export const split: Rule = (n, g) => {
  const pieces = n.proto.output.map((name, i) => n.gradOf(i) ?? zerosLike(g, name));
  const dx = g.op('Concat', pieces, { axis: n.axis('axis', 0, n.rank(0)) });
  return [g.shaped(dx, n.in(0)), null];
};

/** What a slice takes along one of its axes; undefined where it is known only when the graph runs. */
interface Cut {
  readonly axis: number;
  readonly start: Dim | undefined;
  readonly end: Dim | undefined;
  readonly step: Dim | undefined;
}

const cutsOf = (n: NodeView): readonly Cut[] => {
  const count = n.number(n.shape(1)[0] ?? 0, 'because it says how many axes are cut');
  const named = n.has(3) ? (n.intsAt(3, 'axes') ?? []) : Array.from({ length: count }, (_, i) => i);
  return fromFront(named, n.rank(0)).map((axis, i) => ({
    axis,
    start: n.known(1)?.[i],
    end: n.known(2)?.[i],
    step: n.has(4) ? n.known(4)?.[i] : 1,
  }));
};

/** Cells before and after a cut in steps of 1; undefined where they, or the steps, are otherwise. */
const marginsOf = ({ start, end, step }: Cut, dim: Dim): readonly [number, number] | undefined => {
  if (step === 1 && start === 0 && end === dim) return [0, 0];
  if (step !== 1 || typeof start !== 'number' || typeof end !== 'number') return undefined;
  if (isStatic(dim)) {
    const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + dim : at, 0), dim);
    const from = clamp(start);
    return [from, dim - Math.max(from, clamp(end))];
  }
  // Of an unknown length, only a cut of the whole can be told from one that ends in the middle.
  return start === 0 && end >= 2 ** 31 - 1 ? [0, 0] : undefined;
};

// zeros around what was cut out; where the steps aren't 1 or the bounds not known, each slice goes back to its place
export const slice: Rule = (n, g) => {
  const [rank, shape] = [n.rank(0), n.shape(0)];
  const pads = Array.from({ length: 2 * rank }, () => 0);
  let dx = n.grad;
  for (const [i, cut] of cutsOf(n).entries()) {
    const margins = marginsOf(cut, shape[cut.axis] ?? 0);
    if (margins === undefined) dx = putBack(n, g, dx, cut.axis, i);
    else [pads[cut.axis], pads[rank + cut.axis]] = margins;
  }
  if (pads.some((by) => by > 0)) dx = g.op('Pad', [dx, g.ints(pads)]);
  return [g.shaped(dx, n.in(0)), ...n.proto.input.slice(1).map(() => null)];
};

const putBack = (n: GradientView, g: Emitter, dy: string, axis: number, i: number): string => {
  const own = (input: number): string =>
    g.op('Slice', [n.in(input), g.ints([i]), g.ints([i + 1]), g.ints([0])]);
  const bounds = [own(1), own(2), g.ints([0]), ...(n.has(4) ? [own(4)] : [])];
  return placed(g, dy, axis, g.op('Slice', [positions(g, n.in(0), axis), ...bounds]), n.in(0));
};

/** Pads of all axes, as ONNX lists them; undefined where they are known only when the graph runs. */
const padsOf = (n: NodeView): readonly number[] | undefined => {
  const known = n.known(1);
  if (known === undefined || !known.every(isStatic)) return undefined;
  const rank = n.rank(0);
  const axes = fromFront(n.has(3) ? (n.intsAt(3, 'axes') ?? []) : [...Array(rank).keys()], rank);
  const pads = Array.from({ length: 2 * rank }, () => 0);
  axes.forEach((axis, i) => {
    pads[axis] = known[i] ?? 0;
    pads[rank + axis] = known[axes.length + i] ?? 0;
  });
  return pads;
};

// constant: what was added is cut off, what was cut off is zero; else each border goes back to where it was copied from
export const pad: Rule = (n, g) => {
  const mode = n.text('mode', 'constant');
  const pads = padsOf(n);
  if (mode !== 'constant') return [unfold(n, g, mode, pads ?? []), null, null, null];
  const dx = n.needs(0) ? unpad(n, g, pads) : null;
  if (!n.needs(2)) return [dx, null, null, null];
  // the filling: all of dY but what lies inside
  const all = g.op('ReduceSum', [n.grad], { keepdims: 0 });
  const inside = g.op('ReduceSum', [unpad(n, g, pads)], { keepdims: 0 });
  return [dx, null, g.reshape(g.op('Sub', [all, inside]), n.shape(2), n.in(2)), null];
};

const unpad = (n: GradientView, g: Emitter, pads: readonly number[] | undefined): string =>
  g.shaped(withoutPads(n, g, pads), n.in(0));

const withoutPads = (n: GradientView, g: Emitter, pads: readonly number[] | undefined): string => {
  if (pads === undefined) {
    return g.op('Pad', [n.grad, g.op('Neg', [n.in(1)]), '', ...(n.has(3) ? [n.in(3)] : [])]);
  }
  if (pads.some((by) => by < 0)) return g.op('Pad', [n.grad, g.ints(pads.map((by) => -by))]);
  const rank = n.rank(0);
  const axes = n.shape(0).flatMap((_, axis) => (pads[axis] || pads[rank + axis] ? [axis] : []));
  if (axes.length === 0) return n.grad;
  const starts = axes.map((axis) => pads[axis] ?? 0);
  // Counted from the end where nothing is known of the length.
  const ends = axes.map((axis) => -(pads[rank + axis] ?? 0) || Number.MAX_SAFE_INTEGER);
  return g.op('Slice', [n.grad, g.ints(starts), g.ints(ends), g.ints(axes)]);
};

/** Axis by axis: the same padding of 0, 1, ... says where each slice came from. */
const unfold = (n: GradientView, g: Emitter, mode: string, pads: readonly number[]): string => {
  const rank = n.rank(0);
  let dx = n.grad;
  for (let axis = 0; axis < rank; axis++) {
    const own = [pads[axis] ?? 0, pads[rank + axis] ?? 0];
    if (own.every((by) => by === 0)) continue;
    const from = g.op('Pad', [positions(g, n.in(0), axis), g.ints(own)], { mode });
    dx = placed(g, dx, axis, from, n.in(0));
  }
  return dx;
};

export const padsUnknown: Unless = (n) =>
  n.text('mode', 'constant') !== 'constant' && padsOf(n) === undefined
    ? 'its pads must be constants, unless it pads with a constant'
    : undefined;
