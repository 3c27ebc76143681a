import type { Tensor } from '../../tensors/tensor.ts';
import type { Dim } from '../dim.ts';
import { add, divide, isStatic, multiply, product } from '../dim.ts';
import { ELEMENT_TYPES } from '../element-type.ts';
import type { NodeView } from '../node-view.ts';
import { fromFront } from '../node-view.ts';

/** Longer integer tensors are data, not shapes. */
const MAX_KNOWN = 64;

/** Elements of an output as dimensions, from those of the inputs; undefined where they can't be told. */
export type KnownRule = (n: NodeView) => readonly Dim[] | undefined;

/** Elements of a small constant of whole numbers; floats too, as exporters scale sizes by them. */
export const knownOf = ({ dtype, data }: Tensor): readonly Dim[] | undefined => {
  if (data.length > MAX_KNOWN || !/^(I64|I32|BOOL|F32|F64)$/.test(dtype)) return undefined;
  const values = Array.from(data, Number);
  return values.every(Number.isInteger) ? values : undefined;
};

const unchanged: KnownRule = (n) => n.known(0);

/** An operation on scalars or equally long lists, or a list and a scalar. */
const pairwise =
  (operate: (a: Dim, b: Dim) => Dim | undefined): KnownRule =>
  (n) => {
    const [a, b] = [n.known(0), n.known(1)];
    if (a === undefined || b === undefined || n.arity > 2) return undefined;
    const length = Math.max(a.length, b.length);
    const result: Dim[] = [];
    for (let i = 0; i < length; i++) {
      const [x, y] = [a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]];
      const value = x === undefined || y === undefined ? undefined : operate(x, y);
      if (value === undefined) return undefined;
      result.push(value);
    }
    return result;
  };

const numbers =
  (operate: (a: number, b: number) => number | undefined) =>
  (a: Dim, b: Dim): Dim | undefined =>
    isStatic(a) && isStatic(b) ? operate(a, b) : undefined;

/** 1 or 0; a symbol differs from a negative number (exporters compare with -1), what else it equals is open. */
const sameDim = (a: Dim, b: Dim): Dim | undefined => {
  if (a === b) return 1;
  if (isStatic(a) && isStatic(b)) return 0;
  return [a, b].some((dim) => isStatic(dim) && dim < 0) ? 0 : undefined;
};

const shapeOf: KnownRule = (n) => {
  const shape = n.shape(0);
  const [start, end] = fromFront([n.int('start', 0), n.int('end', shape.length)], shape.length);
  return shape.slice(start, end);
};

/** A list indexed by a scalar or a list. */
const gather: KnownRule = (n) => {
  const [from, at] = [n.known(0), n.known(1)];
  if (from === undefined || at === undefined || n.rank(0) !== 1) return undefined;
  const picked = at.map((index) => (isStatic(index) ? from.at(index) : undefined));
  return picked.every((dim) => dim !== undefined) ? picked : undefined;
};

const concat: KnownRule = (n) => {
  const parts = n.proto.input.map((_, i) => n.known(i));
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
};

/** Rows of a list or matrix, any step (PyTorch reverses its pads so). */
const slice: KnownRule = (n) => {
  const [from, start, end] = [n.known(0), n.known(1)?.[0], n.known(2)?.[0]];
  const [axis, step] = [n.has(3) ? n.known(3)?.[0] : 0, n.has(4) ? n.known(4)?.[0] : 1];
  const whole = typeof start === 'number' && typeof end === 'number' && typeof step === 'number';
  if (from === undefined || axis !== 0 || !whole || step === 0) return undefined;
  const [length, ...inner] = n.shape(0);
  const row = product(inner);
  if (typeof length !== 'number' || typeof row !== 'number') return undefined;
  const clamp = (at: number): number =>
    Math.min(
      Math.max(at < 0 ? at + length : at, step > 0 ? 0 : -1),
      step > 0 ? length : length - 1,
    );
  const rows: Dim[] = [];
  for (let i = clamp(start); step > 0 ? i < clamp(end) : i > clamp(end); i += step) {
    rows.push(...from.slice(i * row, (i + 1) * row));
  }
  return rows;
};

/** Of a matrix. */
const transpose: KnownRule = (n) => {
  const from = n.known(0);
  const [rows, columns] = n.shape(0);
  if (from === undefined || n.rank(0) !== 2 || n.ints('perm')?.join() === '0,1') return undefined;
  if (typeof rows !== 'number' || typeof columns !== 'number') return undefined;
  return from.map((_, i) => from[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
};

/** Ones, as PyTorch's exporter fills a shape with. */
const constantOfShape: KnownRule = (n) => {
  const length = n.known(0)?.[0];
  const value = n.tensor('value');
  const integer = value?.dtype === 'I64' || value?.dtype === 'I32';
  if (typeof length !== 'number' || length > MAX_KNOWN || n.known(0)?.length !== 1 || !integer)
    return undefined;
  return Array.from({ length }, () => Number(value.data[0]));
};

/** A choice per element, where the conditions are known. */
const where: KnownRule = (n) => {
  const [condition, a, b] = [n.known(0), n.known(1), n.known(2)];
  if (condition === undefined || a === undefined || b === undefined) return undefined;
  const chosen = condition.map((yes, i) =>
    (yes === 1 ? a : b).at((yes === 1 ? a : b).length === 1 ? 0 : i),
  );
  return chosen.every((dim) => dim !== undefined) ? chosen : undefined;
};

/** Each element by itself. */
const each =
  (operate: (a: number) => number): KnownRule =>
  (n) =>
    n
      .known(0)
      ?.map((dim) => (isStatic(dim) ? operate(dim) : undefined))
      .reduce<Dim[] | undefined>(
        (all, dim) => (dim === undefined ? undefined : all && [...all, dim]),
        [],
      );

/** Integers are cut off; of other numbers only whole quotients are known. */
const quotient: KnownRule = (n) => {
  const whole = /^[IU]/.test(n.type(0).dtype);
  return pairwise((a, b) => {
    if (!isStatic(a) || !isStatic(b)) return divide(a, b);
    return whole ? Math.trunc(a / b) : a % b === 0 ? a / b : undefined;
  })(n);
};

/** Of all elements at once. */
const total =
  (reduce: (values: readonly number[]) => number): KnownRule =>
  (n) => {
    const from = n.known(0);
    const all = n.outShape().length === 0 || n.outShape().every((dim) => dim === 1);
    return from !== undefined && all && from.every(isStatic) ? [reduce(from)] : undefined;
  };

/** A list of numbers in equal steps. */
const range: KnownRule = (n) => {
  const [start, delta] = [n.known(0)?.[0], n.known(2)?.[0]];
  const length = n.outShape()[0];
  return typeof start === 'number' && typeof delta === 'number' && isShort(length)
    ? Array.from({ length }, (_, i) => start + i * delta)
    : undefined;
};

/** One element repeated. */
const expand: KnownRule = (n) => {
  const [from, length] = [n.known(0), n.outShape()[0]];
  const [value] = from ?? [];
  return n.outShape().length === 1 && from?.length === 1 && value !== undefined && isShort(length)
    ? Array.from({ length }, () => value)
    : undefined;
};

const tile: KnownRule = (n) => {
  const [from, times] = [n.known(0), n.known(1)?.[0]];
  return n.rank(0) === 1 && typeof times === 'number' && times * (from?.length ?? 0) <= MAX_KNOWN
    ? Array.from({ length: times }, () => from ?? []).flat()
    : undefined;
};

const isShort = (length: Dim | undefined): length is number =>
  typeof length === 'number' && length <= MAX_KNOWN;

const truth = each((a) => (a === 0 ? 0 : 1));

const cast: KnownRule = (n) => (n.int('to', 0) === ELEMENT_TYPES.BOOL ? truth(n) : n.known(0));

const reduceProduct: KnownRule = (n) => {
  const from = n.known(0);
  return from === undefined ? undefined : [product(from)];
};

/** The operators that exporters compute shapes with. */
export const KNOWN: Readonly<Record<string, KnownRule>> = {
  // A symbol is a size, so never negative.
  Abs: (n) => n.known(0)?.map((dim) => (isStatic(dim) ? Math.abs(dim) : dim)),
  Add: pairwise(add),
  And: pairwise(numbers((a, b) => (a && b ? 1 : 0))),
  Cast: cast,
  Ceil: unchanged,
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Div: quotient,
  Equal: pairwise(sameDim),
  Expand: expand,
  Flatten: unchanged,
  Floor: unchanged,
  Gather: gather,
  Greater: pairwise(numbers((a, b) => (a > b ? 1 : 0))),
  GreaterOrEqual: pairwise(numbers((a, b) => (a >= b ? 1 : 0))),
  Identity: unchanged,
  Less: pairwise(numbers((a, b) => (a < b ? 1 : 0))),
  LessOrEqual: pairwise(numbers((a, b) => (a <= b ? 1 : 0))),
  Max: pairwise(numbers(Math.max)),
  Min: pairwise(numbers(Math.min)),
  Mod: pairwise(numbers((a, b) => a - b * Math.floor(a / b))),
  Mul: pairwise(multiply),
  Neg: each((a) => -a),
  Not: each((a) => (a === 0 ? 1 : 0)),
  Or: pairwise(numbers((a, b) => (a || b ? 1 : 0))),
  Pow: pairwise(numbers((a, b) => (b < 0 ? undefined : a ** b))),
  Range: range,
  ReduceMax: total((all) => Math.max(...all)),
  ReduceMin: total((all) => Math.min(...all)),
  ReduceProd: reduceProduct,
  ReduceSum: total((all) => all.reduce((a, b) => a + b, 0)),
  Reshape: unchanged,
  Round: unchanged,
  Shape: shapeOf,
  Sign: each(Math.sign),
  Size: (n) => [product(n.shape(0))],
  Slice: slice,
  Squeeze: unchanged,
  Sub: pairwise(numbers((a, b) => a - b)),
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unchanged,
  Where: where,
};
