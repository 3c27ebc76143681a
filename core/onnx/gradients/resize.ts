import { resampledOf, weightsOf } from '../resampling.ts';
import type { Rule, Unless } from './rule.ts';

/** y = W x along each resized axis: dx = W' dy, one matrix product per axis (the axis last). */
export const resize: Rule = (n, g) => {
  const rank = n.rank(0);
  let dx = n.grad;
  for (const along of resampledOf(n)) {
    const { axis, input, output } = along;
    const weights = { dtype: 'F32', shape: [output, input], data: weightsOf(n, along) } as const;
    const perm = Array.from({ length: rank }, (_, other) => other);
    [perm[axis], perm[rank - 1]] = [rank - 1, axis];
    const turned = (x: string): string =>
      axis === rank - 1 ? x : g.op('Transpose', [x], { perm });
    dx = turned(g.op('MatMul', [turned(dx), g.constant(weights)]));
  }
  return [dx, ...n.proto.input.slice(1).map(() => null)];
};

export const cropsToo: Unless = (n) =>
  n.text('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize'
    ? 'tf_crop_and_resize is not differentiated; crop with Slice, then resize'
    : undefined;
