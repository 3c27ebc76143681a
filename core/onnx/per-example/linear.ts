import { float } from '../attribute.ts';
import type { Emitter } from '../emitter.ts';
import type { UseRule } from './use.ts';
import { useOf } from './use.ts';
import type { Use } from './use.ts';

const column = (g: Emitter, x: string): string => g.op('Unsqueeze', [x, g.ints([2])]);
const row = (g: Emitter, x: string): string => g.op('Unsqueeze', [x, g.ints([1])]);

/**
 * y = x W for one row x per example: each gradient is x dy, of rank one, so its norm is |x| |dy| (Goodfellow 2015) and no
 * gradient of one example alone is formed. `alpha` multiplies the product; `turned`: W is stored as [out, in].
 */
const rankOne = (
  g: Emitter,
  x: string,
  dy: string,
  { alpha, turned }: { readonly alpha: number; readonly turned: boolean },
): Use => {
  const [left, right] = turned ? [dy, x] : [x, dy];
  const squared = (of: string): string => g.reduce('ReduceSumSquare', of, [1], 0);
  return {
    each: () => {
      const product = g.op('MatMul', [column(g, left), row(g, right)]);
      return alpha === 1 ? product : g.op('Mul', [product, g.scalar(alpha, product)]);
    },
    squares: () => {
      const product = g.op('Mul', [squared(x), squared(dy)]);
      return alpha === 1 ? product : g.op('Mul', [product, g.scalar(alpha * alpha, product)]);
    },
    weighted: (by) => {
      const scaled = g.op('Mul', [dy, g.op('Unsqueeze', [by, g.ints([1])])]);
      const [a, b] = turned ? [scaled, x] : [x, scaled];
      return g.op('Gemm', [a, b], { transA: 1, alpha: float(alpha) });
    },
  };
};

export const gemm: UseRule = (n, g) =>
  rankOne(g, n.in(0), n.grad, { alpha: n.float('alpha', 1), turned: n.int('transB', 0) === 1 });

/** A matrix on the right; x has one row per example, or several (a sequence), whose products add up. */
export const matMul: UseRule = (n, g) => {
  const [x, dy, weight] = [n.in(0), n.grad, n.shape(1)];
  if (weight.length !== 2) return undefined;
  if (n.rank(0) === 2) return rankOne(g, x, dy, { alpha: 1, turned: false });
  const rows = (of: string): string => {
    const shape = g.types.get(of)?.shape ?? [];
    const width = n.number(shape.at(-1) ?? 1, 'because a weight has as many');
    return shape.length === 3 ? of : g.op('Reshape', [of, g.ints([0, -1, width])]);
  };
  const turned = g.op('Transpose', [rows(x)], { perm: [0, 2, 1] });
  return useOf(g, weight, () => g.op('MatMul', [turned, rows(dy)]));
};
