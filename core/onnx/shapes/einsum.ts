import { broadcastShapes } from '../broadcast.ts';
import type { Dim } from '../dim.ts';
import { equationOf } from '../equation.ts';
import type { ShapeRule } from './rule.ts';

/** Each label's length; 1 gives way to any other. */
export const einsum: ShapeRule = (n) => {
  const { inputs, output } = equationOf(n);
  const lengths = new Map<string, Dim>();
  inputs.forEach((labels, i) =>
    labels.split('').forEach((label, axis) => {
      const [length] =
        broadcastShapes([lengths.get(label) ?? 1], [n.shape(i)[axis] ?? 1]) ??
        n.malformed(`lengths of ${label} differ`);
      lengths.set(label, length ?? 1);
    }),
  );
  return [
    { dtype: n.type(0).dtype, shape: output.split('').map((label) => lengths.get(label) ?? 1) },
  ];
};
