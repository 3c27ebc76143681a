import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { positions, shapeOf } from '../gradients/placing.ts';
import type { Parts, Unless } from '../gradients/rule.ts';
import type { NodeView } from '../node-view.ts';

const why = 'because it is laid out in heads';

/** [batch, steps, heads * size] as [batch, heads, steps, size]; four axes stay as they are. */
const inHeads = (n: NodeView, g: Emitter, input: number, attribute: string): string => {
  const [batch = 1, steps = 1, all = 1, more] = n.shape(input);
  if (more !== undefined) return n.in(input);
  const heads = n.int(attribute, 0) || n.malformed(`${attribute} is missing`);
  const size = n.number(all, why) / heads;
  const apart = g.reshape(n.in(input), [batch, steps, heads, size]);
  return g.op('Transpose', [apart], { perm: [0, 2, 1, 3] });
};

/** Keys or values of each query's head: groups of heads share one. */
const shared = (n: NodeView, g: Emitter, x: string, heads: number): string => {
  const [batch = 1, own = 1, steps = 1, size = 1] = shapeOf(g, n.label, x);
  const times = heads / n.number(own, why);
  if (times === 1) return x;
  const copies = g.op('Expand', [g.op('Unsqueeze', [x, g.ints([2])]), g.ints([1, 1, times, 1, 1])]);
  return g.reshape(copies, [batch, heads, steps, size]);
};

/** Whether a query may look at a key: not beyond its own position, counted behind what is past. */
const causal = (n: NodeView, g: Emitter, q: string, k: string): string => {
  const [[, , rows = 1], [, , columns = 1]] = [shapeOf(g, n.label, q), shapeOf(g, n.label, k)];
  const past = n.has(4) ? n.number(n.shape(4)[2] ?? 0, 'because it shifts the diagonal') : 0;
  if (isStatic(rows) && isStatic(columns)) {
    const data = Uint8Array.from({ length: rows * columns }, (_, i) =>
      i % columns <= Math.floor(i / columns) + past ? 1 : 0,
    );
    return g.constant({ dtype: 'BOOL', shape: [rows, columns], data });
  }
  const row = g.op('Unsqueeze', [positions(g, q, 2), g.ints([1])]);
  const shifted = past === 0 ? row : g.op('Add', [row, g.scalar(past, row)]);
  return g.op('LessOrEqual', [positions(g, k, 2), shifted]);
};

/**
 * Y = softmax(cap(scale Q K') + mask) V for each head; masked scores are the lowest float. Keys and values may follow
 * those of the past, and be shared by groups of heads.
 */
export const attention: Parts = (n, g) => {
  const q = inHeads(n, g, 0, 'q_num_heads');
  const own = [1, 2].map((input) => inHeads(n, g, input, 'kv_num_heads'));
  const [keys = '', values = ''] = own.map((x, i) =>
    n.has(4 + i) ? g.op('Concat', [n.in(4 + i), x], { axis: 2 }) : x,
  );
  const [batch = 1, manyHeads = 1, steps = 1, size = 1] = shapeOf(g, n.label, q);
  const heads = n.number(manyHeads, why);
  const scale =
    n.float('scale', 0) || 1 / Math.sqrt(n.number(size, 'because scores scale with it'));
  const k = shared(n, g, keys, heads);
  const raw = g.op('MatMul', [
    g.op('Mul', [q, g.scalar(scale, q)]),
    g.op('Transpose', [k], { perm: [0, 1, 3, 2] }),
  ]);
  const cap = n.float('softcap', 0);
  const capped =
    cap === 0
      ? raw
      : g.op('Mul', [g.op('Tanh', [g.op('Div', [raw, g.scalar(cap, raw)])]), g.scalar(cap, raw)]);
  const lowest = g.scalar(-3.4028234663852886e38, raw);
  let masked = capped;
  if (n.has(3)) {
    masked =
      n.type(3).dtype === 'BOOL'
        ? g.op('Where', [n.in(3), masked, lowest])
        : g.op('Add', [masked, n.in(3)]);
  }
  if (n.int('is_causal', 0) === 1) masked = g.op('Where', [causal(n, g, q, k), masked, lowest]);
  const weights = g.op('Softmax', [masked], { axis: -1 });
  const y = g.op('MatMul', [weights, shared(n, g, values, heads)]);
  const wide = n.number(shapeOf(g, n.label, y)[3] ?? 1, why) * heads;
  const joined = (): string =>
    g.reshape(g.op('Transpose', [y], { perm: [0, 2, 1, 3] }), [batch, steps, wide]);
  const seen = [raw, capped, masked, weights][n.int('qk_matmul_output_mode', 0)] ?? raw;
  return [n.rank(0) === 4 ? y : joined(), keys, values, seen];
};

export const countsItsKeys: Unless = (n) =>
  n.has(6) ? 'with nonpad_kv_seqlen, it is for inference with a cache' : undefined;
