import type { NodeView } from '../node-view.ts';
import type { Rule } from './rule.ts';

/** Where each cell of each block lies in the padded image, and how much padding there is. */
interface Blocks {
  readonly image: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
  /** Flat positions [cells of a block, blocks]. */
  readonly positions: readonly number[];
  readonly cells: number;
}

const blocksOf = (n: NodeView): Blocks => {
  const image = n.intsAt(1, 'image_shape') ?? [];
  const block = n.intsAt(2, 'block_shape') ?? [];
  const each = (name: string, otherwise: number): readonly number[] =>
    n.ints(name) ?? image.map(() => otherwise);
  const [strides, dilations] = [each('strides', 1), each('dilations', 1)];
  const pads = n.ints('pads') ?? [...image, ...image].map(() => 0);
  const [begin, end] = [pads.slice(0, image.length), pads.slice(image.length)];
  const padded = image.map((size, axis) => size + (begin[axis] ?? 0) + (end[axis] ?? 0));
  let positions = [0];
  for (const step of ['cell', 'block']) {
    image.forEach((_, axis) => {
      const [size = 1, dilation = 1, stride = 1] = [block[axis], dilations[axis], strides[axis]];
      const blocks = Math.floor(((padded[axis] ?? 1) - dilation * (size - 1) - 1) / stride) + 1;
      const count = step === 'cell' ? size : blocks;
      const apart = padded.slice(axis + 1).reduce((a, b) => a * b, 1);
      const by = apart * (step === 'cell' ? dilation : stride);
      positions = positions.flatMap((at) => Array.from({ length: count }, (__, i) => at + i * by));
    });
  }
  return { image, begin, end, positions, cells: block.reduce((a, b) => a * b, 1) };
};

// Col2Im adds overlapping blocks into an image: each block gets its cells of dY
export const col2Im: Rule = (n, g) => {
  const { image, begin, end, positions, cells } = blocksOf(n);
  const [batch = 1, channels = 1] = n.outShape();
  const none = [0, 0];
  const padded = g.op('Pad', [n.grad, g.ints([...none, ...begin, ...none, ...end])]);
  const size = image.reduce((all, own, i) => all * (own + (begin[i] ?? 0) + (end[i] ?? 0)), 1);
  const flat = g.reshape(padded, [batch, channels, size]);
  const table = {
    dtype: 'I64',
    shape: [cells, positions.length / cells],
    data: BigInt64Array.from(positions, BigInt),
  } as const;
  const taken = g.op('Gather', [flat, g.constant(table)], { axis: 2 });
  return [g.reshape(taken, n.shape(0), n.in(0)), null, null];
};

// MaxUnpool puts each element at its flat index: it gets dY from there
export const maxUnpool: Rule = (n, g) => {
  const flat = (x: string): string => g.op('Reshape', [x, g.ints([-1])]);
  const taken = g.op('Gather', [flat(n.grad), flat(n.in(1))]);
  return [g.reshape(taken, n.shape(0), n.in(0)), null, null];
};
