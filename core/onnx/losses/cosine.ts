import { axisOf } from './axis.ts';
import { judgedOf } from './judged.ts';
import type { CommonOptions, Loss } from './loss.ts';
import { elements, floatType, reduced, rows, sumOf, total } from './sums.ts';

export interface CosineOptions extends CommonOptions {
  /** The axis along which vectors lie. Default: the last. */
  readonly axis?: number;
  /** No norm counts as less (torch.nn.CosineSimilarity). Default 1e-8. */
  readonly eps?: number;
}

/**
 * 1 - cosine similarity of the output's vectors and the target's, for a float32 target of the output's shape; the mean is
 * over vectors. With u = z / |z| and v = y / |y|: 1 - u v; slope ((u v) u - v) / |z|.
 */
export const cosine = ({ axis = -1, eps = 1e-8, reduction, output }: CosineOptions): Loss => ({
  judges: (graph) => [judgedOf(graph, output).value],
  append: (g, [z = '']) => {
    const type = floatType(g, z, 'a float32 output');
    const along = axisOf(axis, type.shape, z);
    const y = { name: g.input(g.fresh('y'), type), ...type };
    const sum = (x: string): string => g.reduce('ReduceSum', x, [along], 1);
    const norm = (x: string): string =>
      g.op('Clip', [g.op('Sqrt', [sum(g.op('Mul', [x, x]))]), g.scalar(eps, x)]);
    const length = norm(z);
    const u = g.op('Div', [z, length]);
    const v = g.op('Div', [y.name, norm(y.name)]);
    const similarity = sum(g.op('Mul', [u, v]));
    const losses = g.op('Sub', [g.scalar(1, z), similarity]);
    const examples = sumOf(g, 'examples', rows(g, y.name));
    const single = type.shape.every((dim, at) => at === 0 || at === along || dim === 1);
    const count = single ? undefined : sumOf(g, 'vectors', elements(g, losses, examples.value));
    const slope = g.op('Div', [g.op('Sub', [g.op('Mul', [u, similarity]), v]), length]);
    return {
      labels: [y],
      metrics: [
        { name: 'loss', sum: sumOf(g, 'loss_sum', total(g, losses)), ...(count && { count }) },
      ],
      examples,
      seeds: new Map([[z, reduced(g, slope, (count ?? examples).value, reduction)]]),
    };
  },
});
