import { shuffle } from '../../seed.ts';
import type { Rng } from '../../seed.ts';

export interface Split {
  /** Indices of examples, in the order of the data. */
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Holds out `fraction` of `count` examples, at least one where there are two; a single example is for training. The
 * same `rng` gives the same split.
 */
export const splitOf = (count: number, fraction: number, rng: Rng): Split => {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  shuffle(order, rng);
  const wanted = fraction > 0 ? Math.max(1, Math.floor(count * fraction)) : 0;
  const held = Math.min(wanted, Math.max(0, count - 1));
  return { validation: order.slice(0, held).sort(), train: order.slice(held).sort() };
};
