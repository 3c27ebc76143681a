import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { tiles, windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import { maxPoolScatter } from './max-pool-scatter.ts';
import type { Lowering } from './rule.ts';

/**
 * (x, y, dy) -> dx. Windows that lie side by side: what belongs to a window is found by enlarging y to the size of x, so
 * that the pool itself need not say where its maxima lie, which costs it its fast kernel. Other windows are scattered.
 */
export const maxPoolTiles: Lowering = (n, g) => {
  const window = windowOf(n, n.ints('kernel_shape') ?? n.malformed('kernel_shape is missing'));
  return window.kernel.length === 2 && tiles(window)
    ? enlarged(n, g, window)
    : maxPoolScatter(n, g);
};

const enlarged = (n: NodeView, g: Emitter, w: Window): string => {
  const scales = g.constant({ dtype: 'F32', shape: [4], data: Float32Array.of(1, 1, ...w.kernel) });
  const toCells = (x: string): string =>
    g.op('Resize', [x, '', scales], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    });
  const where = (a: string, b: string): string =>
    g.op('Cast', [g.op('Equal', [a, toCells(b)])], { to: 1 });
  // Where several cells equal the maximum, the first takes all: earlier cells of a window score higher.
  const [rows = 1, columns = 1] = w.kernel;
  const [height = 1, width = 1] = w.input;
  const order = g.constant({
    dtype: 'F32',
    shape: [1, 1, height, width],
    data: Float32Array.from({ length: height * width }, (_, at) => {
      const [row, column] = [Math.floor(at / width) % rows, (at % width) % columns];
      return rows * columns - row * columns - column;
    }),
  });
  const score = g.op('Mul', [where(n.in(0), n.in(1)), order]);
  const best = g.op('MaxPool', [score], { kernel_shape: w.kernel, strides: w.strides });
  return g.op('Mul', [where(score, best), toCells(n.in(2))]);
};
