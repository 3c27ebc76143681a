import type { Dim } from '../dim.ts';
import { add, divide, isStatic, multiply, product } from '../dim.ts';
import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import { resizedShape } from '../resampling.ts';
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

const isNumber = (dim: Dim | undefined): dim is number => typeof dim === 'number';

export const concat: ShapeRule = (n) => {
  const shapes = n.proto.input.map((_, i) => n.shape(i));
  const first = shapes[0] ?? n.malformed('no inputs');
  const at = n.axis('axis', 0, first.length);
  const along = shapes.map((shape) => shape[at] ?? 0);
  const total = along.reduce<Dim | undefined>(
    (sum, dim) => (sum === undefined ? undefined : add(sum, dim)),
    0,
  );
  // Elsewhere all are as long: a number says more than a name.
  const shape = first.map((dim, axis) => shapes.map((own) => own[axis]).find(isNumber) ?? dim);
  return [{ dtype: n.type(0).dtype, shape: shape.with(at, total ?? n.unknown(at)) }];
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

/** Exporters write an open end as this, or as the greatest int64. */
const LONGEST = 2 ** 31 - 1;

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
    const known = start !== undefined && end !== undefined && step !== undefined;
    const length = known ? cutLength(dim, start, end, step) : undefined;
    shape[axis] = length ?? n.unknown(axis);
  });
  return [{ dtype: n.type(0).dtype, shape }];
};

/** Of a cut whose bounds may be symbols: one from the start to a symbol is as long as it says, or the model is wrong. */
const cutLength = (dim: Dim, start: Dim, end: Dim, step: Dim): Dim | undefined => {
  const toEnd = end === dim || (isStatic(end) && end >= LONGEST);
  if (step === 1 && start === 0 && toEnd) return dim;
  if (step === 1 && start === -1 && toEnd) return 1;
  if (step === 1 && start === 0 && !isStatic(end)) return end;
  return isStatic(dim) && isStatic(start) && isStatic(end) && isStatic(step)
    ? sliceLength(dim, start, end, step)
    : undefined;
};

const sliceLength = (dim: number, start: number, end: number, step: number): number => {
  const clamp = (at: number): number => {
    const low = step > 0 ? 0 : -1;
    return Math.min(Math.max(at < 0 ? at + dim : at, low), step > 0 ? dim : dim - 1);
  };
  return Math.max(0, Math.ceil((clamp(end) - clamp(start)) / step));
};

/** pads [begin..., end...] over the named axes, or all. */
export const pad: ShapeRule = (n) => {
  const shape = [...n.shape(0)];
  const pads = n.known(1);
  const axes = n.has(3) ? n.intsAt(3, 'axes') : undefined;
  const named = axes === undefined ? [...shape.keys()] : fromFront(axes, shape.length);
  named.forEach((axis, i) => {
    const [begin, end, dim] = [pads?.[i], pads?.[named.length + i], shape[axis] ?? 0];
    if (begin === 0 && end === 0) return;
    const known = typeof begin === 'number' && typeof end === 'number' && isStatic(dim);
    shape[axis] = known ? dim + begin + end : n.unknown(axis);
  });
  return [{ dtype: n.type(0).dtype, shape }];
};

/** Lengths of the pieces: given, or as equal as `num_outputs` or the node's outputs make them (the last is smaller). */
export const split: ShapeRule = (n) => {
  const { dtype, shape } = n.type(0);
  const axis = n.axis('axis', 0, shape.length);
  const dim = shape[axis] ?? 0;
  const count = n.proto.output.length;
  const given = n.known(1);
  const each = isStatic(dim) ? Math.ceil(dim / count) : divide(dim, count);
  return n.proto.output.map((_, i) => {
    if (n.has(1))
      return { dtype, shape: shape.with(axis, given?.[i] ?? n.unknown(`${axis}.${i}`)) };
    const last = isStatic(dim) && typeof each === 'number' ? dim - each * (count - 1) : each;
    const length = i === count - 1 ? last : each;
    return { dtype, shape: shape.with(axis, length ?? n.unknown(`${axis}.${i}`)) };
  });
};

export const tile: ShapeRule = (n) => [
  {
    dtype: n.type(0).dtype,
    shape: n.shape(0).map((dim, axis) => {
      const times = n.known(1)?.[axis];
      return times === undefined ? n.unknown(axis) : multiply(dim, times);
    }),
  },
];

/** [N, C b^2, H, W] -> [N, C, H b, W b]. */
export const depthToSpace: ShapeRule = (n) => {
  const b = n.int('blocksize', 1);
  const [batch = 1, channels = 1, ...cells] = n.shape(0);
  const shape = [
    batch,
    divide(channels, b * b) ?? n.unknown(1),
    ...cells.map((c) => multiply(c, b)),
  ];
  return [{ dtype: n.type(0).dtype, shape }];
};

/** [N, C, H b, W b] -> [N, C b^2, H, W]. */
export const spaceToDepth: ShapeRule = (n) => {
  const b = n.int('blocksize', 1);
  const [batch = 1, channels = 1, ...cells] = n.shape(0);
  const fewer = cells.map((dim, axis) => divide(dim, b) ?? n.unknown(axis + 2));
  return [{ dtype: n.type(0).dtype, shape: [batch, multiply(channels, b * b), ...fewer] }];
};

export const resize: ShapeRule = (n) => [{ dtype: n.type(0).dtype, shape: resizedShape(n) }];

/** Crops and pads around the centre to the asked sizes. */
export const centerCropPad: ShapeRule = (n) => {
  const shape = [...n.shape(0)];
  const axes = fromFront(n.ints('axes') ?? [...shape.keys()], shape.length);
  axes.forEach((axis, i) => (shape[axis] = n.known(1)?.[i] ?? n.unknown(axis)));
  return [{ dtype: n.type(0).dtype, shape }];
};
