import { BATCH } from '../batch.ts';
import type { Emitter } from '../emitter.ts';
import type { GradientView } from '../gradients/rule.ts';
import { windowOf } from '../window.ts';
import type { Window } from '../window.ts';
import type { UseRule } from './use.ts';
import { useOf } from './use.ts';

/** dB = dy summed over space. */
export const convolutionBias: UseRule = (n, g) => {
  const spatial = n.shape(0).flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  return useOf(g, n.shape(2), () => g.reduce('ReduceSum', n.grad, spatial, 0));
};

/**
 * dW[m, c, k] = sum over positions of dy[m, position] x[c, position * stride + k * dilation]: for each example and group
 * the product of dy [M / group, positions] and x's patches [positions, C / group * cells].
 */
export const convolution: UseRule = (n, g) => {
  const shape = n.shape(1);
  const [outputs = 1, perGroup = 1, ...kernel] = shape.map((dim) =>
    n.number(dim, 'because it is a weight'),
  );
  const window = windowOf(n, kernel);
  const group = n.int('group', 1);
  const cells = kernel.reduce((a, b) => a * b, 1);
  const positions = window.output.reduce((a, b) => a * b, 1);
  return useOf(g, shape, () => {
    const patches = g.op('Reshape', [
      patchesOf(n, g, window),
      g.ints([0, group, perGroup * cells, positions]),
    ]);
    const turned = g.op('Transpose', [patches], { perm: [0, 1, 3, 2] });
    const dy = g.op('Reshape', [n.grad, g.ints([0, group, outputs / group, positions])]);
    return g.reshape(g.op('MatMul', [dy, turned]), [BATCH, ...shape], n.grad);
  });
};

/** What each window sees of x: [batch, C, cells, positions], one strided slice for each cell of the kernel. */
const patchesOf = (n: GradientView, g: Emitter, w: Window): string => {
  const channels = n.number(n.shape(0)[1] ?? 1, 'because it counts channels');
  const positions = w.output.reduce((a, b) => a * b, 1);
  const padded = [...w.padsBegin, ...w.padsEnd].some((by) => by > 0)
    ? g.op('Pad', [n.in(0), g.ints([0, 0, ...w.padsBegin, 0, 0, ...w.padsEnd])])
    : n.in(0);
  const axes = g.ints(w.kernel.map((_, axis) => axis + 2));
  const slices = cellsOf(w.kernel).map((cell) => {
    const starts = cell.map((k, axis) => k * (w.dilations[axis] ?? 1));
    const ends = starts.map(
      (start, axis) => start + ((w.output[axis] ?? 1) - 1) * (w.strides[axis] ?? 1) + 1,
    );
    const at = g.op('Slice', [padded, g.ints(starts), g.ints(ends), axes, g.ints(w.strides)]);
    return g.op('Reshape', [at, g.ints([0, channels, 1, positions])]);
  });
  return slices.length === 1 ? (slices[0] ?? '') : g.op('Concat', slices, { axis: 2 });
};

/** Positions in a kernel, row-major. */
const cellsOf = (kernel: readonly number[]): readonly (readonly number[])[] =>
  kernel.reduce<readonly (readonly number[])[]>(
    (cells, size) => cells.flatMap((cell) => Array.from({ length: size }, (_, k) => [...cell, k])),
    [[]],
  );
