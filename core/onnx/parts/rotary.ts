import type { Parts } from '../gradients/rule.ts';
import { cutInto, pieces } from './pieces.ts';

/**
 * Pairs (a, b) of each head turned by their position's angle: (a cos - b sin, a sin + b cos). A pair is a cell of the
 * first half and one of the second, or two neighbours if `interleaved`.
 */
export const rotaryEmbedding: Parts = (n, g) => {
  const four = n.rank(0) === 4;
  const [batch = 1, steps = 1, all = 1] = n.shape(0);
  const heads = n.int('num_heads', 0);
  const why = 'because it is laid out in heads';
  const x = four
    ? g.op('Transpose', [n.in(0)], { perm: [0, 2, 1, 3] })
    : g.reshape(n.in(0), [batch, steps, heads, n.number(all, why) / heads]);
  const shape = g.types.get(x)?.shape ?? n.malformed('no input');
  const size = n.number(shape[3] ?? 1, why);
  const turning = n.int('rotary_embedding_dim', 0) || size;
  const [turned = '', rest] = turning === size ? [x] : cutInto(g, x, [turning, size - turning], 3);
  const [cos = '', sin = ''] = [1, 2].map((input) => {
    const angles = n.has(3) ? g.op('Gather', [n.in(input), n.in(3)], { axis: 0 }) : n.in(input);
    return g.op('Unsqueeze', [angles, g.ints([2])]);
  });
  const interleaved = n.int('interleaved', 0) === 1;
  const half = turning / 2;
  const apart = (pair: string): string =>
    g.reshape(pair, [...shape.slice(0, 3), ...(interleaved ? [half, 2] : [2, half])]);
  const axis = interleaved ? 4 : 3;
  const [a = '', b = ''] = pieces(g, apart(turned), 2, axis).map((one) =>
    g.op('Squeeze', [one, g.ints([axis])]),
  );
  const mul = (left: string, right: string): string => g.op('Mul', [left, right]);
  const both = [
    g.op('Sub', [mul(a, cos), mul(b, sin)]),
    g.op('Add', [mul(a, sin), mul(b, cos)]),
  ].map((one) => g.op('Unsqueeze', [one, g.ints([axis])]));
  const pairs = g.reshape(g.op('Concat', both, { axis }), [...shape.slice(0, 3), turning]);
  const y = rest === undefined ? pairs : g.op('Concat', [pairs, rest], { axis: 3 });
  return [four ? g.op('Transpose', [y], { perm: [0, 2, 1, 3] }) : g.reshape(y, n.shape(0))];
};
