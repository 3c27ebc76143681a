import { float } from '../attribute.ts';
import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import type { GradientView, Rule } from './rule.ts';

/**
 * Y = alpha A'B' + beta C, where ' is the transpose asked for:
 * dA' = alpha dY B't, dB' = alpha A't dY, dC = beta dY.
 */
export const gemm: Rule = (n, g) => {
  const alpha = float(n.float('alpha', 1));
  const beta = n.float('beta', 1);
  const [tA, tB] = [n.int('transA', 0), n.int('transB', 0)];
  const times = (a: string, b: string, transA: number, transB: number): string =>
    g.op('Gemm', [a, b], { alpha, transA, transB });
  const [a, b, dy] = [n.in(0), n.in(1), n.grad];
  return [
    n.needs(0) ? (tA === 1 ? times(b, dy, tB, 1) : times(dy, b, 0, 1 - tB)) : null,
    n.needs(1) ? (tB === 1 ? times(dy, a, 1, tA) : times(a, dy, 1 - tA, 0)) : null,
    n.needs(2) ? (beta === 1 ? dy : g.op('Mul', [dy, g.scalar(beta, dy)])) : null,
  ];
};

/** Y = AB over broadcast leading dimensions: dA = dY Bt, dB = At dY. A vector stands as a row (left) or a column (right). */
export const matMul: Rule = (n, g) => {
  if (n.rank(0) > 1 && n.rank(1) === 2 && n.shape(1).every(isStatic)) return rowsTimes(n, g);
  const [leftVector, rightVector] = [n.rank(0) === 1, n.rank(1) === 1];
  const a = leftVector ? g.op('Unsqueeze', [n.in(0), g.ints([0])]) : n.in(0);
  const b = rightVector ? g.op('Unsqueeze', [n.in(1), g.ints([1])]) : n.in(1);
  const added = [...(leftVector ? [-2] : []), ...(rightVector ? [-1] : [])];
  const dy = added.length > 0 ? g.op('Unsqueeze', [n.grad, g.ints(added)]) : n.grad;
  const transposed = (x: string): string => {
    const rank = g.types.get(x)?.shape.length ?? 2;
    const order = Array.from({ length: rank }, (_, axis) => axis);
    return g.op('Transpose', [x], { perm: [...order.slice(0, -2), rank - 1, rank - 2] });
  };
  let da: string | null = null;
  let db: string | null = null;
  if (n.needs(0)) {
    da = g.op('MatMul', [dy, transposed(b)]);
    if (leftVector) da = g.op('Squeeze', [da, g.ints([-2])]);
  }
  if (n.needs(1)) {
    db = g.op('MatMul', [transposed(a), dy]);
    if (rightVector) db = g.op('Squeeze', [db, g.ints([-1])]);
  }
  return [da, db];
};

/** B is one matrix for all rows of A: whatever their layout, Gemm takes them as one matrix, and transposes by a flag. */
const rowsTimes = (n: GradientView, g: Emitter): readonly (string | null)[] => {
  const flat = n.rank(0) === 2;
  const rows = (x: string, columns: number): string =>
    flat ? x : g.op('Reshape', [x, g.ints([-1, columns])]);
  const [inner = 0, outer = 0] = n.shape(1).map(Number);
  const dy = rows(n.grad, outer);
  const da = (): string => g.op('Gemm', [dy, n.in(1)], { transB: 1 });
  return [
    n.needs(0) ? (flat ? da() : g.reshape(da(), n.shape(0), n.in(0))) : null,
    n.needs(1) ? g.op('Gemm', [rows(n.in(0), inner), dy], { transA: 1 }) : null,
  ];
};
