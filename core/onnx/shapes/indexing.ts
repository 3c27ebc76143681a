import { dtypeOf } from '../element-type.ts';
import { isStatic } from '../dim.ts';
import type { ShapeRule } from './rule.ts';

export const gather: ShapeRule = (n) => {
  const shape = n.shape(0);
  const axis = n.axis('axis', 0, shape.length);
  return [
    {
      dtype: n.type(0).dtype,
      shape: [...shape.slice(0, axis), ...n.shape(1), ...shape.slice(axis + 1)],
    },
  ];
};

/** As many elements as there are indices. */
export const gatherElements: ShapeRule = (n) => [{ dtype: n.type(0).dtype, shape: n.shape(1) }];

/** Indices [batch..., other..., k] pick what lies behind k axes. */
export const gatherND: ShapeRule = (n) => {
  const [x, indices] = [n.shape(0), n.shape(1)];
  const depth = n.number(indices.at(-1) ?? 0, 'because it says how many axes are indexed');
  const rest = x.slice(n.int('batch_dims', 0) + depth);
  return [{ dtype: n.type(0).dtype, shape: [...indices.slice(0, -1), ...rest] }];
};

/** Values, and where they stood. */
export const topK: ShapeRule = (n) => {
  const { dtype, shape } = n.type(0);
  const axis = n.axis('axis', -1, shape.length);
  const found = shape.with(axis, n.known(1)?.[0] ?? n.unknown(axis));
  return [
    { dtype, shape: found },
    { dtype: 'I64', shape: found },
  ];
};

export const compress: ShapeRule = (n) => {
  const { dtype, shape } = n.type(0);
  if (!n.hasAttribute('axis')) return [{ dtype, shape: [n.unknown(0)] }];
  const axis = n.axis('axis', 0, shape.length);
  return [{ dtype, shape: shape.with(axis, n.unknown(axis)) }];
};

/** The depth stands at `axis` of the result. */
export const oneHot: ShapeRule = (n) => {
  const shape = [...n.shape(0)];
  const axis = n.axis('axis', -1, shape.length + 1);
  shape.splice(axis, 0, n.known(1)?.[0] ?? n.unknown(axis));
  return [{ dtype: n.type(2).dtype, shape }];
};

export const nonZero: ShapeRule = (n) => [{ dtype: 'I64', shape: [n.rank(0), n.unknown('count')] }];

/** How many steps lie between two integers, where they are known. */
export const range: ShapeRule = (n) => {
  const [start, limit, delta] = [n.known(0)?.[0], n.known(1)?.[0], n.known(2)?.[0]];
  let length = start === 0 && delta === 1 ? limit : undefined;
  if ([start, limit, delta].every((dim) => dim !== undefined && isStatic(dim))) {
    length = Math.max(0, Math.ceil((Number(limit) - Number(start)) / Number(delta)));
  }
  return [{ dtype: n.type(0).dtype, shape: [length ?? n.unknown(0)] }];
};

/** Of the input's shape, in the dtype asked for: EyeLike, RandomNormalLike, RandomUniformLike, Bernoulli. */
export const like: ShapeRule = (n) => [
  { dtype: dtypeOf(n.int('dtype', 0)) ?? n.type(0).dtype, shape: n.shape(0) },
];
