import type { Tensor } from '../../tensors/tensor.ts';
import type { Dim } from '../dim.ts';
import { divide, isStatic, multiply, product } from '../dim.ts';
import type { NodeView } from '../node-view.ts';
import { fromFront } from '../node-view.ts';

/** Longer integer tensors are data, not shapes. */
const MAX_KNOWN = 64;

/** Elements of an output as dimensions, from those of the inputs; undefined where they can't be told. */
export type KnownRule = (n: NodeView) => readonly Dim[] | undefined;

/** Elements of a small integer constant. */
export const knownOf = ({ dtype, data }: Tensor): readonly Dim[] | undefined =>
  (dtype === 'I64' || dtype === 'I32') && data.length <= MAX_KNOWN ? Array.from(data, Number) : undefined;

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

const slice: KnownRule = (n) => {
  const [from, start, end] = [n.known(0), n.known(1)?.[0], n.known(2)?.[0]];
  const step = n.has(4) ? n.known(4)?.[0] : 1;
  if (from === undefined || typeof start !== 'number' || typeof end !== 'number' || step !== 1) return undefined;
  return n.rank(0) === 1 ? from.slice(start, end) : undefined;
};

const reduceProduct: KnownRule = (n) => {
  const from = n.known(0);
  return from === undefined ? undefined : [product(from)];
};

/** The operators that exporters compute shapes with. */
export const KNOWN: Readonly<Record<string, KnownRule>> = {
  Add: pairwise(numbers((a, b) => a + b)),
  Cast: unchanged,
  Concat: concat,
  Div: pairwise((a, b) => numbers((x, y) => Math.trunc(x / y))(a, b) ?? divide(a, b)),
  Gather: gather,
  Identity: unchanged,
  Mul: pairwise(multiply),
  ReduceProd: reduceProduct,
  Reshape: unchanged,
  Shape: shapeOf,
  Size: (n) => [product(n.shape(0))],
  Slice: slice,
  Squeeze: unchanged,
  Sub: pairwise(numbers((a, b) => a - b)),
  Unsqueeze: unchanged,
};
