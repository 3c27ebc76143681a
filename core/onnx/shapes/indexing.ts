import { dtypeOf } from '../element-type.ts';
import { divide, isStatic, product } from '../dim.ts';
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

/** Columns [N, C * cells, blocks] as an image [N, C, ...]. */
export const col2Im: ShapeRule = (n) => {
  const [batch = 1, columns = 1] = n.shape(0);
  const cells = product(n.known(2) ?? [n.unknown('cells')]);
  const rank = n.number(n.shape(1)[0] ?? 0, 'because it is the number of axes');
  const image = n.known(1) ?? Array.from({ length: rank }, (_, axis) => n.unknown(axis + 2));
  const shape = [batch, divide(columns, cells) ?? n.unknown(1), ...image];
  return [{ dtype: n.type(0).dtype, shape }];
};

/** The pooled input's shape: asked for, or as large as the windows reach. */
export const maxUnpool: ShapeRule = (n) => {
  const { dtype, shape } = n.type(0);
  const asked = n.has(2) ? n.known(2) : undefined;
  const kernel = n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing');
  const strides = n.ints('strides') ?? kernel.map(() => 1);
  const pads = n.ints('pads') ?? [...kernel, ...kernel].map(() => 0);
  const reach = kernel.map((size, axis) => {
    const dim = shape[axis + 2] ?? 1;
    const cut = (pads[axis] ?? 0) + (pads[kernel.length + axis] ?? 0);
    return isStatic(dim) ? (dim - 1) * (strides[axis] ?? 1) + size - cut : n.unknown(axis + 2);
  });
  return [{ dtype, shape: asked ?? [...shape.slice(0, 2), ...reach] }];
};
