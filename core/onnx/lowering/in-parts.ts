/** Operators that ONNX Runtime's WebGPU has no kernel for, in ones that it has. */
import { broadcastShapes } from '../broadcast.ts';
import type { Emitter } from '../emitter.ts';
import { SELU_ALPHA, SELU_GAMMA } from '../gradients/activation.ts';
import { constantLike } from '../gradients/constant.ts';
import { sign } from '../gradients/elementwise.ts';
import { divisorOfLrn, statistics } from '../gradients/normalization.ts';
import { fromFront } from '../node-view.ts';
import type { NodeView } from '../node-view.ts';
import { reducedAxes } from '../shapes/reduction.ts';
import type { Rewrite } from './rule.ts';

const scaled = (g: Emitter, x: string, by: number): string =>
  by === 1 ? x : g.op('Mul', [x, g.scalar(by, x)]);

const total = (n: NodeView, g: Emitter): string =>
  n.proto.input.reduce((sum, x) => g.op('Add', [sum, x]));

// one input after the other
export const sum: Rewrite = total;

// their sum / count
export const mean: Rewrite = (n, g) => scaled(g, total(n, g), 1 / n.arity);

export const signInParts: Rewrite = (n, g) => sign(n.in(0), g);

// x / (1 + |x|)
export const softsign: Rewrite = (n, g) => {
  const x = n.in(0);
  return g.op('Div', [x, g.op('Add', [g.op('Abs', [x]), g.scalar(1, x)])]);
};

// alpha elu(x / alpha)
export const celu: Rewrite = (n, g) => {
  const alpha = n.float('alpha', 1);
  return scaled(g, g.op('Elu', [scaled(g, n.in(0), 1 / alpha)]), alpha);
};

// gamma elu(x), with Selu's alpha
export const selu: Rewrite = (n, g) => {
  const alpha = { float: n.float('alpha', SELU_ALPHA) };
  return scaled(g, g.op('Elu', [n.in(0)], { alpha }), n.float('gamma', SELU_GAMMA));
};

// x + bias below -lambd, x - bias above lambd, else 0
export const shrink: Rewrite = (n, g) => {
  const x = n.in(0);
  const [lambd, bias] = [n.float('lambd', 0.5), n.float('bias', 0)];
  const outside = (compare: string, bound: number, by: number, otherwise: string): string =>
    g.op('Where', [
      g.op(compare, [x, g.scalar(bound, x)]),
      by === 0 ? x : g.op('Add', [x, g.scalar(by, x)]),
      otherwise,
    ]);
  return outside('Less', -lambd, bias, outside('Greater', lambd, -bias, g.scalar(0, x)));
};

// x - max - ln(sum of e^(x - max)) along the axis
export const logSoftmax: Rewrite = (n, g) => {
  const axis = n.axis('axis', -1, n.rank(0));
  const below = g.op('Sub', [n.in(0), g.reduce('ReduceMax', n.in(0), [axis], 1)]);
  const sizes = g.reduce('ReduceSum', g.op('Exp', [below]), [axis], 1);
  return g.op('Sub', [below, g.op('Log', [sizes])]);
};

// sum of |x|
export const reduceL1: Rewrite = (n, g) => {
  const axes = reducedAxes(n);
  const keepdims = n.int('keepdims', 1) === 1 ? 1 : 0;
  const sizes = g.op('Abs', [n.in(0)]);
  return axes.length === 0 ? sizes : g.reduce('ReduceSum', sizes, axes, keepdims);
};

// (sum of |x|^p)^(1/p) over all cells of a channel
export const globalLpPool: Rewrite = (n, g) => {
  const cells = n.shape(0).flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  return normOf(n, g, (powers) => g.reduce('ReduceSum', powers, cells, 1));
};

// the same over a window: as many times the mean as it has cells, those in the padding counted
export const lpPool: Rewrite = (n, g) => {
  const kernel = n.ints('kernel_shape') ?? [];
  const lists = ['kernel_shape', 'strides', 'pads', 'dilations'].flatMap((name) => {
    const values = n.ints(name);
    return values === undefined ? [] : [[name, values] as const];
  });
  // Dilations came to AveragePool with opset 19.
  if (g.opset < 19 && n.ints('dilations')?.some((by) => by > 1)) return undefined;
  const attributes = Object.fromEntries(
    lists.filter(([name]) => g.opset >= 19 || name !== 'dilations'),
  );
  return normOf(n, g, (powers) => {
    const means = g.op('AveragePool', [powers], { ...attributes, count_include_pad: 1 });
    return scaled(
      g,
      means,
      kernel.reduce((a, b) => a * b, 1),
    );
  });
};

const normOf = (n: NodeView, g: Emitter, totals: (powers: string) => string): string => {
  const p = n.int('p', 2);
  const to = (x: string, power: number): string =>
    power === 1 ? x : g.op('Pow', [x, g.scalar(power, x)]);
  return to(totals(to(g.op('Abs', [n.in(0)]), p)), 1 / p);
};

// x D^-beta
export const lrn: Rewrite = (n, g) => {
  const d = divisorOfLrn(n, g);
  return g.op('Mul', [n.in(0), g.op('Pow', [d, g.scalar(-n.float('beta', 0.75), d)])]);
};

// (x - mean) / std
export const meanVarianceNormalization: Rewrite = (n, g) => {
  const axes = fromFront(n.ints('axes') ?? [0, 2, 3], n.rank(0));
  const centred = g.op('Sub', [n.in(0), g.reduce('ReduceMean', n.in(0), axes, 1)]);
  const variance = g.reduce('ReduceMean', g.op('Mul', [centred, centred]), axes, 1);
  // What ONNX adds to a deviation that might be 0.
  const deviation = g.op('Add', [g.op('Sqrt', [variance]), g.scalar(1e-9, variance)]);
  return g.op('Div', [centred, deviation]);
};

// h scale + bias (gradients/normalization.ts); not by InstanceNormalization, whose programs mix up their epsilons there
export const groupNormalization: Rewrite = (n, g) => {
  const groups = n.int('num_groups', 1);
  const channels = n.number(n.shape(0)[1] ?? 1, 'because it is split into groups');
  const rows = g.op('Reshape', [n.in(0), g.ints([0, groups, channels / groups, -1])]);
  const { h } = statistics(g, rows, [2, 3], n.float('epsilon', 1e-5));
  const each = n.shape(1)[0] === groups ? 1 : channels / groups;
  const beside = (x: string): string => g.op('Reshape', [x, g.ints([groups, each, 1])]);
  const y = g.op('Add', [g.op('Mul', [h, beside(n.in(1))]), beside(n.in(2))]);
  return g.reshape(y, n.shape(0), n.in(0));
};

// x^p: the kernel takes no integer exponents, and broadcasts scalars and last dimensions only
export const pow: Rewrite = (n, g) => {
  const [x, given] = [n.in(0), n.in(1)];
  const tensor = n.scope.constants.get(given);
  const whole = tensor !== undefined && tensor.dtype !== n.type(0).dtype;
  const p = whole
    ? constantLike(g, x, tensor.shape, Float32Array.from(tensor.data as ArrayLike<number>, Number))
    : given;
  const to = broadcastShapes(n.shape(0), n.shape(1)) ?? [];
  const fits = [n.shape(0), n.shape(1)].every((from) =>
    from.every((dim, axis) => dim === to[to.length - from.length + axis]),
  );
  if (fits || n.rank(0) === 0 || n.rank(1) === 0) return whole ? g.op('Pow', [x, p]) : undefined;
  const like = g.op('Add', [x, p]);
  return g.op('Pow', [g.expandLike(x, like), g.expandLike(p, like)]);
};
