import { float } from '../attribute.ts';
import { ABSTRACT } from '../emitter.ts';
import type { Rule } from '../gradients/rule.ts';
import type { Emitter } from '../emitter.ts';
import { elements, rows } from '../losses/sums.ts';
import type { NodeView } from '../node-view.ts';
import type { TrainingForm } from './form.ts';

/** All axes but the channels. */
const reducedAxes = (n: NodeView): number[] =>
  n.shape(0).flatMap((_, axis) => (axis === 1 ? [] : [axis]));

/** A [1, C, 1, ...] value as [C]. */
const flat = (g: Emitter, x: string): string => g.op('Reshape', [x, g.ints([-1])]);

/** How many elements each channel has, as a float scalar. */
const cellsOf = (n: NodeView, g: Emitter): string => {
  const channels = n.number(n.shape(0)[1] ?? 1, 'because each channel is normalised by itself');
  const cells = elements(g, n.in(0), rows(g, n.in(0)));
  return channels === 1 ? cells : g.op('Div', [cells, g.scalar(channels, cells)]);
};

/**
 * With the batch's own mean and (biased) variance per channel; ONNX Runtime's WebGPU fails on training_mode, so the
 * statistics are written in primitives. Running statistics move as in PyTorch: running = m running + (1 - m) batch with
 * ONNX's m (1 - PyTorch's momentum), and the variance that enters is the unbiased one, which ONNX's own definition would
 * not have. Where a channel has a single element, which PyTorch refuses, the running variance stays.
 */
export const batchNormalization: TrainingForm = (n, g, t) => {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => n.in(i));
  if (x === undefined || scale === undefined || bias === undefined) return undefined;
  if (mean === undefined || variance === undefined) return undefined;
  if (!t.updates(mean) || !t.updates(variance)) return undefined;
  const axes = reducedAxes(n);
  const batchMean = g.reduce('ReduceMean', x, axes, 1);
  const centred = g.op('Sub', [x, batchMean]);
  const batchVariance = g.reduce('ReduceMean', g.op('Mul', [centred, centred]), axes, 1);
  const inputs = [x, scale, bias, batchMean, batchVariance];
  const epsilon = float(n.float('epsilon', 1e-5));
  const y = g.op('BatchNormalization', inputs, { epsilon }, ABSTRACT);

  const kept = n.float('momentum', 0.9);
  const moved = (running: string, batch: string): string =>
    g.op('Add', [
      g.op('Mul', [running, g.scalar(kept, running)]),
      g.op('Mul', [batch, g.scalar(1 - kept, running)]),
    ]);
  const cells = cellsOf(n, g);
  const fewer = g.op('Sub', [cells, g.scalar(1, cells)]);
  const unbiased = g.op('Mul', [flat(g, batchVariance), g.op('Div', [cells, fewer])]);
  const before = t.running(variance);
  const several = g.op('Greater', [fewer, g.scalar(0, fewer)]);
  t.update(mean, moved(t.running(mean), flat(g, batchMean)));
  t.update(variance, g.op('Where', [several, moved(before, unbiased), before]));
  return [y];
};

/**
 * y = scale xhat + bias, xhat = (x - mean) r, r = 1 / sqrt(variance + epsilon), where mean and variance are x's own:
 * dscale = sum(dy xhat), dbias = sum(dy), dx = scale r (dy - mean(dy) - xhat mean(dy xhat)), sums and means per channel.
 * What flows through the mean and the variance is in dx already.
 */
export const batchNormalizationGradient: Rule = (n, g) => {
  const [x, scale, mean, variance] = [n.in(0), n.in(1), n.in(3), n.in(4)];
  const axes = reducedAxes(n);
  const epsilon = g.scalar(n.float('epsilon', 1e-5), variance);
  const r = g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [variance, epsilon])])]);
  const centred = g.op('Sub', [x, mean]);
  const total = g.reduce('ReduceSum', n.grad, axes, 1);
  const along = g.reduce('ReduceSum', g.op('Mul', [n.grad, centred]), axes, 1);
  const dScale = n.needs(1) ? flat(g, g.op('Mul', [along, r])) : null;
  const dBias = n.needs(2) ? flat(g, total) : null;
  if (!n.needs(0)) return [null, dScale, dBias, null, null];
  const cells = cellsOf(n, g);
  const pull = g.op('Div', [g.op('Mul', [along, g.op('Mul', [r, r])]), cells]);
  const level = g.op('Sub', [n.grad, g.op('Div', [total, cells])]);
  const straight = g.op('Sub', [level, g.op('Mul', [centred, pull])]);
  const perChannel = g.op('Reshape', [scale, g.ints([1, -1, ...axes.slice(1).map(() => 1)])]);
  return [g.op('Mul', [straight, g.op('Mul', [perChannel, r])]), dScale, dBias, null, null];
};
