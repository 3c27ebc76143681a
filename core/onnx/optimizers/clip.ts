import type { Emitter } from '../emitter.ts';
import { positive } from './option.ts';

/** `norm`: all gradients together get this length at most. `value`: each element lies in [-value, value]. */
export type ClipOptions = { readonly norm: number } | { readonly value: number };

type Gradients = ReadonlyMap<string, string>;

/** Gradients within bounds, as torch.nn.utils.clip_grad_norm_ and clip_grad_value_ have it. */
export const clipped = (g: Emitter, gradients: Gradients, clip: ClipOptions): Gradients =>
  'norm' in clip
    ? byNorm(g, gradients, positive('clip.norm', clip.norm))
    : byValue(g, gradients, positive('clip.value', clip.value));

/** g * min(1, norm / (|g| + 1e-6)), |g| over all parameters. */
const byNorm = (g: Emitter, gradients: Gradients, norm: number): Gradients => {
  const squares = [...gradients.values()].map((x) => {
    const axes = (g.types.get(x)?.shape ?? []).map((_, axis) => axis);
    return axes.length === 0 ? g.op('Mul', [x, x]) : g.reduce('ReduceSumSquare', x, axes, 0);
  });
  const total = g.op('Sqrt', [squares.reduce((a, b) => g.op('Add', [a, b]))]);
  const ratio = g.op('Div', [g.scalar(norm, total), g.op('Add', [total, g.scalar(1e-6, total)])]);
  const by = g.op('Clip', [ratio, '', g.scalar(1, ratio)]);
  return new Map([...gradients].map(([name, x]) => [name, g.op('Mul', [x, by])]));
};

const byValue = (g: Emitter, gradients: Gradients, value: number): Gradients =>
  new Map(
    [...gradients].map(([name, x]) => [
      name,
      g.op('Clip', [x, g.scalar(-value, x), g.scalar(value, x)]),
    ]),
  );
