import type { UseRule } from './use.ts';
import { useOf } from './use.ts';

/**
 * y = rows of a table: each row's gradient is the sum of dy where it was looked up, as a product with the one-hot indices
 * (which scatter without a loop over the examples). A negative index counts from the end.
 */
export const embedding: UseRule = (n, g) => {
  const shape = n.shape(0);
  const [entries = 1, width = 1] = shape.map((dim) => n.number(dim, 'because it is a table'));
  if (n.axis('axis', 0, shape.length) !== 0 || shape.length !== 2) return undefined;
  return useOf(g, shape, () => {
    const flat = g.op('Reshape', [g.op('Cast', [n.in(1)], { to: 6 }), g.ints([0, -1, 1])]);
    const behind = g.op('Less', [flat, g.scalar(0, flat)]);
    const at = g.op('Where', [behind, g.op('Add', [flat, g.scalar(entries, flat)]), flat]);
    const all = g.constant({
      dtype: 'I32',
      shape: [1, 1, entries],
      data: Int32Array.from({ length: entries }, (_, i) => i),
    });
    const hot = g.op('Cast', [g.op('Equal', [at, all])], { to: 1 });
    const dy = g.op('Reshape', [n.grad, g.ints([0, -1, width])]);
    return g.op('MatMul', [g.op('Transpose', [hot], { perm: [0, 2, 1] }), dy]);
  });
};
