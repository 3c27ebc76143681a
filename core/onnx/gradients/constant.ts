import type { Emitter } from '../emitter.ts';
import { castLike } from './elementwise.ts';

/** A constant in the dtype of `like`. */
export const constantLike = (
  g: Emitter,
  like: string,
  shape: readonly number[],
  data: Float32Array<ArrayBuffer>,
): string => {
  const made = g.constant({ dtype: 'F32', shape, data });
  return g.types.get(like)?.dtype === 'F32' ? made : castLike(g, made, like);
};
