import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import { reducedAxes } from '../shapes/reduction.ts';

/**
 * Why a node might let one example change what becomes of another; undefined where it can't. `on(i)`: input i depends on
 * the examples, and has them along its first axis, as the first output has.
 */
export type Mixes = (n: NodeView, on: (i: number) => boolean) => string | undefined;

export const never: Mixes = () => undefined;

/** The operands' first axes must be the result's, not some other axis of it. */
export const broadcast: Mixes = (n, on) => {
  const { length } = n.typeOf(n.out(0)).shape;
  const short = n.proto.input.some((_, i) => on(i) && n.rank(i) !== length);
  return short ? 'it broadcasts them along another axis' : undefined;
};

/** Input 0 has examples; the others are weights. */
export const weights: Mixes = (n, on) =>
  n.proto.input.some((_, i) => i > 0 && on(i)) ? 'its weights depend on them' : undefined;

const notFirst = (n: NodeView, axes: readonly number[]): string | undefined =>
  fromFront(axes, n.rank(0)).includes(0) ? 'it works along them' : undefined;

/** Along the axis of an attribute. */
export const along =
  (otherwise: number): Mixes =>
  (n) =>
    notFirst(n, [n.int('axis', otherwise)]);

export const reduced: Mixes = (n) => notFirst(n, reducedAxes(n));

export const normalised: Mixes = (n, on) => weights(n, on) ?? notFirst(n, [n.int('axis', -1)]);

export const cumulated: Mixes = (n) => {
  const axis = n.known(1)?.[0];
  return typeof axis === 'number' ? notFirst(n, [axis]) : 'its axis is computed';
};

/** Every operand that has examples names them by the letter that the result starts with. */
export const contracted: Mixes = (n, on) => {
  const [operands = '', result] = n.text('equation', '').replaceAll(' ', '').split('->');
  const terms = operands.split(',');
  const letter = result?.[0];
  const led = terms.every((term, i) => !on(i) || (letter !== undefined && term[0] === letter));
  return led ? undefined : 'it contracts them';
};

/** Rows that examples name from a table, or columns of the examples. */
export const gathered: Mixes = (n, on) => {
  const axis = n.axis('axis', 0, n.rank(0));
  if (on(0) && on(1)) return 'examples name others';
  return on(0) && axis === 0 ? 'it picks among them' : undefined;
};

export const gemm: Mixes = (n, on) => {
  if (n.int('transA', 0) === 1 || on(1)) return 'it contracts them';
  return on(2) && n.rank(2) < 2 ? 'it broadcasts them along another axis' : undefined;
};

export const matMul: Mixes = (n, on) => {
  if (!on(1)) return n.rank(0) < 2 ? 'it contracts them' : undefined;
  if (n.rank(1) < 3 || (on(0) && n.rank(0) !== n.rank(1))) return 'it contracts them';
  return undefined;
};

export const padded: Mixes = (n) => {
  const pads = n.intsAt(1, 'pads') ?? [];
  const axes = n.has(3) ? n.known(3) : undefined;
  if (n.has(3) && axes === undefined) return 'its axes are computed';
  const listed = axes?.map(Number) ?? n.shape(0).map((_, axis) => axis);
  const at = fromFront(listed, n.rank(0)).indexOf(0);
  const grows = at >= 0 && (pads[at] !== 0 || pads[listed.length + at] !== 0);
  return grows ? 'it adds to them' : undefined;
};

export const sliced: Mixes = (n) => {
  const count = n.known(1)?.length;
  const axes = n.has(3) ? n.known(3)?.map(Number) : Array.from({ length: count ?? 0 }, (_, i) => i);
  return count === undefined || axes === undefined ? 'its axes are computed' : notFirst(n, axes);
};

export const transposed: Mixes = (n) =>
  n.ints('perm')?.[0] === 0 ? undefined : 'it moves them to another axis';
