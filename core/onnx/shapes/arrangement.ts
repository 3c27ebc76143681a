import type { Dim } from '../dim.ts';
import { divide, isStatic, product } from '../dim.ts';
import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import type { ShapeRule } from './rule.ts';

/** [product of the dimensions before the axis, product of the rest]. */
export const flatten: ShapeRule = (n) => {
  const shape = n.shape(0);
  const axis = n.axis('axis', 1, shape.length);
  return [
    { dtype: n.type(0).dtype, shape: [product(shape.slice(0, axis)), product(shape.slice(axis))] },
  ];
};

/** Dimensions that a Reshape, Expand or ConstantOfShape asks for; of unknown size each where only their number is known. */
const asked = (n: NodeView, input: number): readonly Dim[] => {
  const known = n.known(input);
  if (known !== undefined) return known;
  const rank = n.number(n.shape(input)[0] ?? 0, 'because it is the rank of a shape');
  return Array.from({ length: rank }, (_, axis) => n.unknown(axis));
};

/** 0 copies a dimension (unless allowzero), -1 takes what is left. */
export const reshape: ShapeRule = (n) => {
  const from = n.shape(0);
  const copies = n.int('allowzero', 0) === 0;
  const target = asked(n, 1).map((dim, axis) => (dim === 0 && copies ? (from[axis] ?? 0) : dim));
  const open = target.indexOf(-1);
  if (open < 0) return [{ dtype: n.type(0).dtype, shape: target }];
  const left = divide(product(from), product(target.filter((dim) => dim !== -1)));
  return [{ dtype: n.type(0).dtype, shape: target.with(open, left ?? n.unknown(open)) }];
};

export const transpose: ShapeRule = (n) => {
  const shape = n.shape(0);
  const order = n.ints('perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  return [
    { dtype: n.type(0).dtype, shape: order.map((axis) => shape[axis] ?? n.malformed('perm')) },
  ];
};

export const squeeze: ShapeRule = (n) => {
  const shape = n.shape(0);
  const axes = n.intsAt(1, 'axes');
  const dropped = axes === undefined ? undefined : new Set(fromFront(axes, shape.length));
  return [
    {
      dtype: n.type(0).dtype,
      shape: shape.filter((dim, axis) => (dropped === undefined ? dim !== 1 : !dropped.has(axis))),
    },
  ];
};

export const unsqueeze: ShapeRule = (n) => {
  const axes = n.intsAt(1, 'axes') ?? n.malformed('axes are missing');
  const rank = n.rank(0) + axes.length;
  const added = new Set(fromFront(axes, rank));
  const rest = [...n.shape(0)];
  const shape = Array.from({ length: rank }, (_, axis) =>
    added.has(axis) ? 1 : (rest.shift() ?? 1),
  );
  return [{ dtype: n.type(0).dtype, shape }];
};

export const concat: ShapeRule = (n) => {
  const shapes = n.proto.input.map((_, i) => n.shape(i));
  const first = shapes[0] ?? n.malformed('no inputs');
  const at = n.axis('axis', 0, first.length);
  const along = shapes.map((shape) => shape[at] ?? 0);
  const total = along.every(isStatic) ? along.reduce((a, b) => a + b, 0) : n.unknown(at);
  return [{ dtype: n.type(0).dtype, shape: first.with(at, total) }];
};

/** Broadcasts to the asked shape; 1 there keeps the input's dimension. */
export const expand: ShapeRule = (n) => {
  const to = asked(n, 1);
  const from = n.shape(0);
  const rank = Math.max(to.length, from.length);
  const shape = Array.from({ length: rank }, (_, axis) => {
    const wide = to[to.length - rank + axis] ?? 1;
    return wide === 1 ? (from[from.length - rank + axis] ?? 1) : wide;
  });
  return [{ dtype: n.type(0).dtype, shape }];
};

export const constantOfShape: ShapeRule = (n) => [
  { dtype: n.tensor('value')?.dtype ?? 'F32', shape: asked(n, 0) },
];

export const shapeOf: ShapeRule = (n) => {
  const rank = n.rank(0);
  const [start, end] = fromFront([n.int('start', 0), n.int('end', rank)], rank);
  return [{ dtype: 'I64', shape: [Math.max(0, Math.min(end ?? rank, rank) - (start ?? 0))] }];
};

export const sizeOfTensor: ShapeRule = () => [{ dtype: 'I64', shape: [] }];

/** starts, ends, axes?, steps? as inputs (opset 10 on). */
export const slice: ShapeRule = (n) => {
  const shape = [...n.shape(0)];
  const [starts, ends] = [n.known(1), n.known(2)];
  const axes = n.has(3) ? n.known(3) : starts?.map((_, axis) => axis);
  const steps = n.has(4) ? n.known(4) : starts?.map(() => 1);
  if (axes === undefined)
    return [{ dtype: n.type(0).dtype, shape: shape.map((_, axis) => n.unknown(axis)) }];
  axes.forEach((given, i) => {
    const axis = fromFront([n.number(given, 'as an axis')], shape.length)[0] ?? 0;
    const [dim, start, end, step] = [shape[axis] ?? 0, starts?.[i], ends?.[i], steps?.[i]];
    shape[axis] =
      isStatic(dim) &&
      typeof start === 'number' &&
      typeof end === 'number' &&
      typeof step === 'number'
        ? sliceLength(dim, start, end, step)
        : n.unknown(axis);
  });
  return [{ dtype: n.type(0).dtype, shape }];
};

const sliceLength = (dim: number, start: number, end: number, step: number): number => {
  const clamp = (at: number): number => {
    const low = step > 0 ? 0 : -1;
    return Math.min(Math.max(at < 0 ? at + dim : at, low), step > 0 ? dim : dim - 1);
  };
  return Math.max(0, Math.ceil((clamp(end) - clamp(start)) / step));
};

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

/** pads [begin..., end...] over all axes (the `axes` input of opset 18 is not read). */
export const pad: ShapeRule = (n) => {
  if (n.has(3)) return n.malformed('pads for some axes only are not read');
  const pads = n.intsAt(1, 'pads') ?? n.malformed('pads are missing');
  const shape = n.shape(0);
  return [
    {
      dtype: n.type(0).dtype,
      shape: shape.map((dim, axis) => {
        const by = (pads[axis] ?? 0) + (pads[shape.length + axis] ?? 0);
        return by === 0 ? dim : isStatic(dim) ? dim + by : n.unknown(axis);
      }),
    },
  ];
};
