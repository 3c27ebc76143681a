import type { Tensor } from '../../tensors/tensor.ts';
import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';

/**
 * A counter-based generator in int32 arithmetic: an element of a random tensor is a function of its place and the key
 * alone, so every target, batch size and order of execution gives the same. Multiplication wraps in C++'s kernels,
 * WebAssembly and WGSL alike; xor and shifts of int32 don't run on WebGPU, so the nonlinear step is the middle square
 * h (h + k), as in Widynski's Squares, between rotations by half a word (written as a product and a truncated quotient).
 * The generator is no standard one: what it is tested for stands in dropout.test.ts. It is for masks, never for privacy.
 */
export interface Key {
  readonly first: string;
  readonly second: string;
}

/** Odd, 2^32 / golden ratio: a Weyl sequence visits every word. */
const WEYL = 0x9e3779b1 | 0;
const OTHER = 0x2c1b3c6d;
const HALF = 0x10000;

const int = (g: Emitter, value: number, like: string): string => g.scalar(value, like);

const square = (g: Emitter, h: string, k: string): string => g.op('Mul', [h, g.op('Add', [h, k])]);

/** The halves of the word exchanged, up to a carry. */
const rotated = (g: Emitter, h: string): string => {
  const half = int(g, HALF, h);
  return g.op('Add', [g.op('Mul', [h, half]), g.op('Div', [h, half])]);
};

const mixed = (g: Emitter, h: string): string => {
  const once = rotated(g, square(g, h, int(g, WEYL, h)));
  return rotated(g, square(g, once, int(g, OTHER, h)));
};

/** The common part of a step's keys, from two int32 scalars. */
export const stepKey = (g: Emitter, seed: string, step: string): string => {
  const seeded = mixed(
    g,
    g.op('Add', [g.op('Mul', [seed, int(g, WEYL, seed)]), int(g, OTHER, seed)]),
  );
  return mixed(g, g.op('Add', [seeded, g.op('Mul', [step, int(g, OTHER, step)])]));
};

/** The key of the random tensor number `index` of a step. */
export const keyOf = (g: Emitter, step: string, index: number): Key => {
  const pair = [1, 2].map((half) =>
    mixed(g, g.op('Add', [step, int(g, Math.imul(2 * index + half, WEYL), step)])),
  );
  return { first: pair[0] ?? '', second: pair[1] ?? '' };
};

/** A word of 32 random bits (an int32) for each element of `like`, in its shape. The upper bits are the better ones. */
export const words = (g: Emitter, { first, second }: Key, like: string): string => {
  const spread = g.op('Add', [placesIn(g, like), first]);
  return square(g, rotated(g, square(g, spread, second)), first);
};

/**
 * The index along each axis times an odd number of the axis's own, a power of the Weyl number, added up: for a vector a
 * Weyl sequence. Nothing here is read from a shape by the CPU, except where it stays within an operator of the GPU.
 */
const placesIn = (g: Emitter, like: string): string => {
  const shape = g.types.get(like)?.shape ?? [];
  let step = WEYL;
  let places: string | undefined;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const along = g.op('Mul', [indices(g, like, shape, axis), g.constant(int32(step))]);
    places = places === undefined ? along : g.op('Add', [places, along]);
    step = Math.imul(step, WEYL);
  }
  return places ?? g.constant(int32(0));
};

const int32 = (value: number): Tensor => ({ dtype: 'I32', shape: [], data: Int32Array.of(value) });

/** 0, 1, ... along an axis, and 1 along all others. */
const indices = (g: Emitter, like: string, shape: readonly Dim[], axis: number): string => {
  const [zero, one] = [g.constant(int32(0)), g.constant(int32(1))];
  const dim = shape[axis] ?? 1;
  if (isStatic(dim)) {
    const range = g.op('Range', [zero, g.constant(int32(dim)), one]);
    return g.op('Reshape', [range, g.ints([-1, ...shape.slice(axis + 1).map(() => 1)])]);
  }
  const others = shape.flatMap((_, other) => (other === axis ? [] : [other]));
  const list = (value: number): string => g.ints(others.map(() => value));
  const cut = others.length === 0 ? like : g.op('Slice', [like, list(0), list(1), g.ints(others)]);
  // A slice of a symbolic dimension has no known length; this one has 1.
  const line = g.reshape(
    cut,
    shape.map((own, other) => (other === axis ? own : 1)),
  );
  return g.op('CumSum', [g.expandLike(one, line), g.constant(int32(axis))], { exclusive: 1 });
};
