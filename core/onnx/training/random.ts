import type { Emitter } from '../emitter.ts';

/**
 * A counter-based generator in int32 arithmetic: element i of a random tensor is a function of i and its key alone, so
 * every target, batch size and order of execution gives the same. Multiplication wraps in C++'s kernels, WebAssembly and
 * WGSL alike; xor and shifts of int32 don't run on WebGPU, so the nonlinear step is the middle square h (h + k), as in
 * Widynski's Squares, between rotations by half a word (written as a product and a truncated quotient). The generator is
 * no standard one: what it is tested for stands in random.test.ts. It is for masks, never for privacy.
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
  const size = g.op('Cast', [g.op('Size', [like])], { to: 6 });
  const counter = g.op('Range', [int(g, 0, size), size, int(g, 1, size)]);
  const spread = g.op('Add', [g.op('Mul', [counter, int(g, WEYL, counter)]), first]);
  const random = square(g, rotated(g, square(g, spread, second)), first);
  return g.op('Reshape', [random, g.op('Shape', [like])]);
};
