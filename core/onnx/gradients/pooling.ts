import { DTYPES } from '../../tensors/dtype.ts';
import { product } from '../dim.ts';
import { ABSTRACT } from '../emitter.ts';
import { cellCounts, transposedWindow, windowOf } from '../window.ts';
import type { Rule, Unless } from './rule.ts';

/** ONNX Runtime's kernels drop such a window, as PyTorch does; its own shape inference keeps it, and the graph won't load. */
export const endsOpen: Unless = (n) =>
  n.int('ceil_mode', 0) === 1 && windowOf(n, n.ints('kernel_shape') ?? []).dropsWindow
    ? 'with ceil_mode, its last window would start in the padding, where runtimes disagree; pad explicitly'
    : undefined;

/** Each output's gradient goes to the first maximum of its window. How that is written depends on the target: lowering/. */
export const maxPool: Rule = (n, g) => {
  const attributes = {
    kernel_shape: n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing'),
    ...Object.fromEntries(
      ['strides', 'pads', 'dilations'].flatMap((name) => {
        const values = n.ints(name);
        return values === undefined ? [] : [[name, values]];
      }),
    ),
    auto_pad: n.text('auto_pad', 'NOTSET'),
    ceil_mode: n.int('ceil_mode', 0),
  };
  return [g.op('MaxPoolGrad', [n.in(0), n.out(0), n.grad], attributes, ABSTRACT)];
};

/** dX = dY / (cells counted), spread over each window by a transposed depthwise convolution with ones. */
export const averagePool: Rule = (n, g) => {
  const kernel = n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing');
  const window = windowOf(n, kernel);
  const group = n.number(n.shape(0)[1] ?? 1, 'because it counts channels');
  const counts = cellCounts(window, n.int('count_include_pad', 0) === 1);
  const { dtype } = n.type(0);
  const { array: TypedArray } = DTYPES[dtype === 'F64' ? 'F64' : 'F32'];
  const [first = 1] = counts;
  const divisor = counts.every((count) => count === first)
    ? g.scalar(first, n.grad)
    : g.constant({ dtype, shape: window.output, data: TypedArray.from(counts) });
  const ones = g.constant({
    dtype,
    shape: [group, 1, ...kernel],
    data: new TypedArray(group * kernel.reduce((a, b) => a * b, 1)).fill(1),
  });
  const share = g.op('Div', [n.grad, divisor]);
  return [g.op('ConvTranspose', [share, ones], { group, ...transposedWindow(window) })];
};

/** dX = dY / (cells of a channel), the same everywhere. */
export const globalAveragePool: Rule = (n, g) => {
  const cells = product(n.shape(0).slice(2));
  const count = g.scalar(n.number(cells, 'because the mean divides by it'), n.grad);
  return [g.expandLike(g.op('Div', [n.grad, count]), n.in(0))];
};
