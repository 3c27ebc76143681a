import type { ShapeRule } from './rule.ts';

/** Y like X, and its mean and inverse standard deviation, in float32, 1 long on the axes that they are over. */
export const layerNormalization: ShapeRule = (n) => {
  const x = n.type(0);
  const axis = n.axis('axis', -1, x.shape.length);
  const statistics = {
    dtype: 'F32',
    shape: x.shape.map((dim, at) => (at < axis ? dim : 1)),
  } as const;
  return [x, statistics, statistics];
};
