import * as fc from 'fast-check';
import { float } from '../../attribute.ts';
import { broadcastable, dim, filled, seed } from './case.suite.ts';
import type { Case } from './case.suite.ts';

export const gemm = fc
  .tuple(dim(), dim(), dim(), fc.constantFrom(0, 1), fc.constantFrom(0, 1), fc.nat(4), seed)
  .map(([m, k, n, transA, transB, bias, s]): Case => {
    const c = [[n], [1, n], [m, 1], [m, n]][bias];
    return {
      inputs: [
        filled(transA ? [k, m] : [m, k], s, 'any'),
        filled(transB ? [n, k] : [k, n], s + 1, 'any'),
        ...(c === undefined ? [] : [filled(c, s + 2, 'any')]),
      ],
      attributes: { transA, transB, alpha: float(1.5), beta: float(bias % 2 ? 1 : 0.5) },
    };
  });

export const matMul = fc
  .tuple(
    dim(3),
    dim(3),
    dim(3),
    broadcastable(2),
    fc.constantFrom('both', 'left', 'right', 'dot'),
    seed,
  )
  .map(([m, k, n, [left = [], right = []], form, s]): Case => ({
    inputs: [
      filled(form === 'left' || form === 'dot' ? [k] : [...left, m, k], s, 'any'),
      filled(form === 'right' || form === 'dot' ? [k] : [...right, k, n], s + 1, 'any'),
    ],
  }));
