import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { castLike } from './elementwise.ts';
import type { NodeView } from '../node-view.ts';
import type { GradientView, Rule, Unless } from './rule.ts';

const mul = (g: Emitter, a: string, b: string): string => g.op('Mul', [a, b]);
const mean = (g: Emitter, x: string, axes: readonly number[]): string =>
  g.reduce('ReduceMean', x, axes, 1);

/**
 * h = (x - mean) / std over some axes, r = 1 / std: dx = r (dh - mean(dh) - h mean(dh h)).
 * Without `centred`, h = x / rms and the mean of dh stays.
 */
export const standardized = (
  g: Emitter,
  dh: string,
  h: string,
  r: string,
  axes: readonly number[],
  centred = true,
): string => {
  const along = mul(g, h, mean(g, mul(g, dh, h), axes));
  const across = centred ? g.op('Sub', [dh, mean(g, dh, axes)]) : dh;
  return mul(g, r, g.op('Sub', [across, along]));
};

/** 1 / sqrt(x + epsilon) */
const inverseRoot = (g: Emitter, x: string, epsilon: number): string =>
  g.op('Reciprocal', [g.op('Sqrt', [g.op('Add', [x, g.scalar(epsilon, x)])])]);

/** h and r of `standardized`, from x. */
export const statistics = (
  g: Emitter,
  x: string,
  axes: readonly number[],
  epsilon: number,
): { readonly h: string; readonly r: string } => {
  const centred = g.op('Sub', [x, mean(g, x, axes)]);
  const r = inverseRoot(g, mean(g, mul(g, centred, centred), axes), epsilon);
  return { h: mul(g, centred, r), r };
};

const axesFrom = (axis: number, rank: number): number[] =>
  Array.from({ length: rank - axis }, (_, i) => axis + i);

/**
 * y = h scale + bias, h over the axes from `axis` on. The forward node also gives its mean and 1 / std, so that nothing is
 * reduced twice.
 */
export const layerNormalization: Rule = (n, g) => {
  if (n.gradOf(1) !== undefined || n.gradOf(2) !== undefined) {
    refuse({
      reason: 'unsupported_model',
      detail: `node ${n.label} (LayerNormalization): the loss depends on its statistics; only its first output is differentiated`,
    });
  }
  const axes = axesFrom(n.axis('axis', -1, n.rank(0)), n.rank(0));
  const [centre, r] = savedStatistics(n, g, axes);
  const h = mul(g, g.op('Sub', [n.in(0), centre]), r);
  return [
    n.needs(0) ? standardized(g, mul(g, n.grad, n.in(1)), h, r, axes) : null,
    n.needs(1) ? mul(g, n.grad, h) : null,
    n.needs(2) ? n.grad : null,
  ];
};

/** Outputs Mean and InvStdDev of a LayerNormalization, in the input's dtype; asks the node for them where it hasn't them. */
const savedStatistics = (
  n: GradientView,
  g: Emitter,
  axes: readonly number[],
): readonly [string, string] => {
  const type = {
    dtype: 'F32',
    shape: n.shape(0).map((dim, i) => (axes.includes(i) ? 1 : dim)),
  } as const;
  const named = (i: number, what: string): string =>
    n.out(i) || g.input(g.fresh(`${n.out(0)}.${what}`), type);
  const [centre, r] = [named(1, 'mean'), named(2, 'inverse deviation')];
  n.proto.output = [n.out(0), centre, r];
  return n.type(0).dtype === 'F32'
    ? [centre, r]
    : [castLike(g, centre, n.in(0)), castLike(g, r, n.in(0))];
};

/** y = h scale, h = x / sqrt(mean(x^2) + epsilon) over the axes from `axis` on. */
export const rmsNormalization: Rule = (n, g) => {
  const axes = axesFrom(n.axis('axis', -1, n.rank(0)), n.rank(0));
  const x = n.in(0);
  const r = inverseRoot(g, mean(g, mul(g, x, x), axes), n.float('epsilon', 1e-5));
  const h = mul(g, x, r);
  return [
    n.needs(0) ? standardized(g, mul(g, n.grad, n.in(1)), h, r, axes, false) : null,
    n.needs(1) ? mul(g, n.grad, h) : null,
  ];
};

/** y = h scale + bias, h over all but examples and channels, scale and bias per channel. */
export const instanceNormalization: Rule = (n, g) => {
  const axes = axesFrom(2, n.rank(0));
  const { h, r } = statistics(g, n.in(0), axes, n.float('epsilon', 1e-5));
  const over = [0, ...axes];
  return [
    n.needs(0) ? standardized(g, mul(g, n.grad, perChannel(n, g, n.in(1))), h, r, axes) : null,
    n.needs(1) ? g.reduce('ReduceSum', mul(g, n.grad, h), over, 0) : null,
    n.needs(2) ? g.reduce('ReduceSum', n.grad, over, 0) : null,
  ];
};

/** [C] as [C, 1, ...], to stand beside [N, C, ...]. */
const perChannel = (n: GradientView, g: Emitter, x: string): string =>
  n.rank(0) <= 2
    ? x
    : g.op('Unsqueeze', [x, g.ints(Array.from({ length: n.rank(0) - 2 }, (_, i) => i + 1))]);

/**
 * y = h scale + bias, h over each group of channels. Until opset 20, scale and bias are per group, since then per channel.
 * Everything is laid out as [N, group, channels of it, cells].
 */
export const groupNormalization: Rule = (n, g) => {
  const groups = n.int('num_groups', 1);
  const channels = n.number(n.shape(0)[1] ?? 1, 'because it is split into groups');
  const split = (x: string): string =>
    g.op('Reshape', [x, g.ints([0, groups, channels / groups, -1])]);
  const { h, r } = statistics(g, split(n.in(0)), [2, 3], n.float('epsilon', 1e-5));
  const dy = split(n.grad);
  const eachGroup = n.shape(1)[0] === groups;
  const scale = g.op('Reshape', [n.in(1), g.ints([groups, eachGroup ? 1 : channels / groups, 1])]);
  const total = (x: string): string => {
    const sum = g.reduce('ReduceSum', x, eachGroup ? [0, 2, 3] : [0, 3], 0);
    return eachGroup ? sum : g.op('Reshape', [sum, g.ints([channels])]);
  };
  return [
    n.needs(0)
      ? g.reshape(standardized(g, mul(g, dy, scale), h, r, [2, 3]), n.shape(0), n.in(0))
      : null,
    n.needs(1) ? total(mul(g, dy, h)) : null,
    n.needs(2) ? total(dy) : null,
  ];
};

/**
 * With given statistics y = (x - mean) k + bias, k = scale / sqrt(var + epsilon), r = k / scale:
 * dx = k dy, d scale = r sum((x - mean) dy), d mean = -k sum(dy), d var = -scale r^2 / 2 times d scale.
 */
export const batchNormalization: Rule = (n, g) => {
  const [scale, centre, variance] = [n.in(1), n.in(3), n.in(4)];
  const r = inverseRoot(g, variance, n.float('epsilon', 1e-5));
  const k = mul(g, scale, r);
  const others = n.shape(0).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const total = (x: string): string => g.reduce('ReduceSum', x, others, 0);
  const slope = (): string => {
    const centred = g.op('Sub', [n.in(0), perChannel(n, g, centre)]);
    return mul(g, r, total(mul(g, n.grad, centred)));
  };
  const half = (): string => mul(g, mul(g, k, r), g.scalar(-0.5, r));
  return [
    n.needs(0) ? mul(g, n.grad, perChannel(n, g, k)) : null,
    n.needs(1) ? slope() : null,
    n.needs(2) ? total(n.grad) : null,
    n.needs(3) ? g.op('Neg', [mul(g, k, total(n.grad))]) : null,
    n.needs(4) ? mul(g, half(), slope()) : null,
  ];
};

export const trains: Unless = (n) =>
  n.int('training_mode', 0) === 1
    ? 'it computes its own statistics; export the model in evaluation mode'
    : undefined;

/** The mean over `size` neighbouring channels, as a pool over [N, 1, C, cells]. */
const meanOfChannels = (
  n: NodeView,
  g: Emitter,
  x: string,
  [before, after]: readonly [number, number],
): string => {
  const channels = n.number(n.shape(0)[1] ?? 1, 'because they are pooled');
  const flat = g.op('Reshape', [x, g.ints([0, 1, channels, -1])]);
  const pooled = g.op('AveragePool', [flat], {
    kernel_shape: [n.int('size', 1), 1],
    pads: [before, 0, after, 0],
    count_include_pad: 1,
  });
  return g.reshape(pooled, n.shape(0), n.in(0));
};

/** How far a channel's neighbours go, before it and after. */
const neighbours = (n: NodeView): readonly [number, number] => {
  const others = n.int('size', 1) - 1;
  return [Math.floor(others / 2), Math.ceil(others / 2)];
};

/** D of an LRN: bias + alpha times the mean of x^2 over the `size` channels around each. */
export const divisorOfLrn = (n: NodeView, g: Emitter): string => {
  const x = n.in(0);
  const energy = meanOfChannels(n, g, mul(g, x, x), neighbours(n));
  return g.op('Add', [
    mul(g, energy, g.scalar(n.float('alpha', 1e-4), x)),
    g.scalar(n.float('bias', 1), x),
  ]);
};

/** y = x D^-beta: dx = D^-beta dy - 2 alpha beta x times the mean of dy y / D over the channels that count this one. */
export const lrn: Rule = (n, g) => {
  const [alpha, beta] = [n.float('alpha', 1e-4), n.float('beta', 0.75)];
  const x = n.in(0);
  const d = divisorOfLrn(n, g);
  const [before, after] = neighbours(n);
  const shares = g.op('Div', [mul(g, n.grad, n.out(0)), d]);
  const own = mul(g, n.grad, g.op('Pow', [d, g.scalar(-beta, x)]));
  const others = mul(g, x, g.scalar(2 * alpha * beta, x));
  return [g.op('Sub', [own, mul(g, others, meanOfChannels(n, g, shares, [after, before]))])];
};
