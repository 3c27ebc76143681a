/** Operators that pick elements by index: their gradients put dY back where it came from, adding what meets. */
import type { Dim } from '../dim.ts';
import { product } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { placed, positions, zerosLike } from './placing.ts';
import type { Rule } from './rule.ts';

// y = x[..., indices, ...]
export const gather: Rule = (n, g) => {
  const [x, picked] = [n.shape(0), n.shape(1)];
  const axis = n.axis('axis', 0, x.length);
  const dy =
    picked.length === 1
      ? n.grad
      : g.reshape(n.grad, [...x.slice(0, axis), product(picked), ...x.slice(axis + 1)]);
  const indices = picked.length === 1 ? n.in(1) : g.op('Reshape', [n.in(1), g.ints([-1])]);
  return [placed(g, dy, axis, indices, n.in(0)), null];
};

// y[i, j] = x[indices[i, j], j] for axis 0, and so on
export const gatherElements: Rule = (n, g) => {
  const axis = n.axis('axis', 0, n.rank(0));
  const attributes = { axis, reduction: 'add' };
  return [g.op('ScatterElements', [zerosLike(g, n.in(0)), n.in(1), n.grad], attributes), null];
};

/** How x of GatherND and ScatterND is indexed: batch, indexed and remaining dimensions. */
interface Layout {
  readonly batch: readonly Dim[];
  readonly indexed: readonly Dim[];
  readonly rest: readonly Dim[];
}

const layoutOf = (n: NodeView, batchDims: number): Layout => {
  const x = n.shape(0);
  const depth = n.number(n.shape(1).at(-1) ?? 1, 'because it says how many axes are indexed');
  return {
    batch: x.slice(0, batchDims),
    indexed: x.slice(batchDims, batchDims + depth),
    rest: x.slice(batchDims + depth),
  };
};

/** Index tuples [..., k] as single indices [..., 1] into the indexed dimensions laid out as one; none is negative. */
const flatIndices = (n: NodeView, g: Emitter, { batch, indexed }: Layout): string => {
  const lengths = g.op('Shape', [n.in(0)], {
    start: batch.length,
    end: batch.length + indexed.length,
  });
  const wrapped = g.op('Mod', [n.in(1), lengths]);
  if (indexed.length === 1) return wrapped;
  const strides = indexed.map((_, i) =>
    n.number(product(indexed.slice(i + 1)), 'because indices are counted over it'),
  );
  return g.reduce('ReduceSum', g.op('Mul', [wrapped, g.ints(strides)]), [-1], 1);
};

// y = x[batch..., indices...]: as a gather along one axis of x laid out as [batch, indexed, rest]
export const gatherND: Rule = (n, g) => {
  const layout = layoutOf(n, n.int('batch_dims', 0));
  const blocks = [product(layout.batch), product(layout.indexed), product(layout.rest)] as const;
  const [batch, , rest] = blocks;
  const count = product(n.shape(1).slice(layout.batch.length, -1));
  const x = g.reshape(n.in(0), blocks);
  const dy = g.reshape(n.grad, [batch, count, rest]);
  const flat = g.reshape(flatIndices(n, g, layout), [batch, count, 1]);
  const everywhere = g.expandLike(flat, dy);
  const attributes = { axis: 1, reduction: 'add' };
  const dx = g.op('ScatterElements', [zerosLike(g, x), everywhere, dy], attributes);
  return [g.reshape(dx, n.shape(0), n.in(0)), null];
};

/** ScatterND as ScatterElements on x laid out as [indexed, rest], whose gradient is known. */
export const scatterNDParts = (n: NodeView, g: Emitter): readonly string[] => {
  const layout = layoutOf(n, 0);
  const [cells, rest] = [product(layout.indexed), product(layout.rest)];
  const count = product(n.shape(1).slice(0, -1));
  const updates = g.reshape(n.in(2), [count, rest]);
  const flat = g.expandLike(g.reshape(flatIndices(n, g, layout), [count, 1]), updates);
  const attributes = { axis: 0, reduction: n.text('reduction', 'none') };
  const data = g.reshape(n.in(0), [cells, rest]);
  const out = g.op('ScatterElements', [data, flat, updates], attributes);
  return [g.reshape(out, n.shape(0), n.in(0))];
};

// values of the k largest go back to where they stood
export const topK: Rule = (n, g) => {
  const axis = n.axis('axis', -1, n.rank(0));
  return [g.op('ScatterElements', [zerosLike(g, n.in(0)), n.out(1), n.grad], { axis }), null];
};

// y = slices of x, or elements of x laid out flat, where the condition holds
export const compress: Rule = (n, g) => {
  const flat = !n.hasAttribute('axis');
  const x = flat ? g.op('Reshape', [n.in(0), g.ints([-1])]) : n.in(0);
  const axis = flat ? 0 : n.axis('axis', 0, n.rank(0));
  const kept = g.op('Compress', [positions(g, x, axis), n.in(1)], { axis: 0 });
  const dx = placed(g, n.grad, axis, kept, x);
  return [flat ? g.reshape(dx, n.shape(0), n.in(0)) : dx, null];
};
