import type { Tensor } from '../../tensors/tensor.ts';
import type { Dim } from '../dim.ts';
import { add, divide, isStatic, multiply, product } from '../dim.ts';
import type { NodeView } from '../node-view.ts';
import { fromFront } from '../node-view.ts';

/** Longer integer tensors are data, not shapes. */
const MAX_KNOWN = 64;

/** Elements of an output as dimensions, from those of the inputs; undefined where they can't be told. */
export type KnownRule = (n: NodeView) => readonly Dim[] | undefined;

/** Elements of a small integer constant. */
export const knownOf = ({ dtype, data }: Tensor): readonly Dim[] | undefined =>
  (dtype === 'I64' || dtype === 'I32') && data.length <= MAX_KNOWN
    ? Array.from(data, Number)
    : undefined;

const unchanged: KnownRule = (n) => n.known(0);

/** An operation on scalars or equally long lists, or a list and a scalar. */
const pairwise =
  (operate: (a: Dim, b: Dim) => Dim | undefined): KnownRule =>
  (n) => {
    const [a, b] = [n.known(0), n.known(1)];
    if (a === undefined || b === undefined) return undefined;
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
  (operate: (a: number, b: number) => number) =>
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

const reduceProduct: KnownRule = (n) => {
  const from = n.known(0);
  return from === undefined ? undefined : [product(from)];
};

/** The operators that exporters compute shapes with. */
export const KNOWN: Readonly<Record<string, KnownRule>> = {
  Abs: (n) => n.known(0)?.map((dim) => (isStatic(dim) ? Math.abs(dim) : dim)),
  Add: pairwise(add),
  Cast: unchanged,
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Div: pairwise((a, b) => numbers((x, y) => Math.trunc(x / y))(a, b) ?? divide(a, b)),
  Equal: pairwise(sameDim),
  Gather: gather,
  Identity: unchanged,
  Mod: pairwise(numbers((a, b) => a - b * Math.floor(a / b))),
  Mul: pairwise(multiply),
  ReduceProd: reduceProduct,
  Reshape: unchanged,
  Shape: shapeOf,
  Size: (n) => [product(n.shape(0))],
  Slice: slice,
  Squeeze: unchanged,
  Sub: pairwise(numbers((a, b) => a - b)),
  Transpose: transpose,
  Unsqueeze: unchanged,
  Where: where,
};
