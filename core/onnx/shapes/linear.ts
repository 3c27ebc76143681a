import { broadcastShapes } from '../broadcast.ts';
import type { ShapeRule } from './rule.ts';

/** [m, k] x [k, n] -> [m, n], each side as stored or transposed. */
export const gemm: ShapeRule = (n) => {
  const [a, b] = [n.shape(0), n.shape(1)];
  const rows = n.int('transA', 0) === 1 ? a[1] : a[0];
  const columns = n.int('transB', 0) === 1 ? b[0] : b[1];
  if (rows === undefined || columns === undefined) return n.malformed('expected two matrices');
  return [{ dtype: n.type(0).dtype, shape: [rows, columns] }];
};

/** numpy's matmul: leading dimensions broadcast; a vector gains a dimension that is dropped again. */
export const matMul: ShapeRule = (n) => {
  const [a, b] = [n.shape(0), n.shape(1)];
  if (a.length === 0 || b.length === 0) return n.malformed('expected at least vectors');
  const batch =
    broadcastShapes(a.slice(0, -2), b.slice(0, -2)) ??
    n.malformed("leading dimensions don't broadcast");
  const rows = a.length > 1 ? a.slice(-2, -1) : [];
  const columns = b.length > 1 ? b.slice(-1) : [];
  return [{ dtype: n.type(0).dtype, shape: [...batch, ...rows, ...columns] }];
};
