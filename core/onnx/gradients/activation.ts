import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { unary } from './elementwise.ts';
import type { GradientView, Rule } from './rule.ts';

/** x > bound. */
const above = (n: GradientView, g: Emitter, bound: number): string =>
  g.op('Greater', [n.in(0), g.scalar(bound, n.grad)]);

/** slope dy. */
const times = (n: GradientView, g: Emitter, slope: string | number): string =>
  g.op('Mul', [n.grad, typeof slope === 'number' ? g.scalar(slope, n.grad) : slope]);

/** dx where y > 0, else 0; at 0 it is 0, as in PyTorch. How that is written depends on the target: lowering/. */
export const reluGradient = (g: Emitter, y: string, dy: string): string =>
  g.op('ReluGrad', [y, dy], {}, ABSTRACT);

export const relu = unary((n, g) => {
  const maker = g.nodes.find((node) => node.output.includes(n.grad));
  // The pool behind it has masked its own gradient: fewer cells, with the same outcome.
  const masked = maker?.opType === 'MaxPoolGrad' && maker.input[0] === n.out(0);
  return masked ? n.grad : reluGradient(g, n.out(0), n.grad);
});

// dx where x > alpha, else 0
export const thresholdedRelu = unary((n, g) =>
  g.op('Where', [above(n, g, n.float('alpha', 1)), n.grad, g.scalar(0, n.grad)]),
);

// dx where x > 0, else alpha dx
export const leakyRelu = unary((n, g) =>
  g.op('Where', [above(n, g, 0), n.grad, times(n, g, n.float('alpha', 0.01))]),
);

// dx where x > 0, else slope dx; d slope = min(x, 0) dy
export const pRelu: Rule = (n, g) => {
  const leak = (): string => g.op('Mul', [n.grad, n.in(1)]);
  return [
    n.needs(0) ? g.op('Where', [above(n, g, 0), n.grad, leak()]) : null,
    n.needs(1) ? times(n, g, g.op('Min', [n.in(0), g.scalar(0, n.grad)])) : null,
  ];
};

// dx where x > 0, else (y + alpha) dx, for y = alpha (e^x - 1)
export const elu = unary((n, g) => {
  const slope = g.op('Add', [n.out(0), g.scalar(n.float('alpha', 1), n.grad)]);
  return g.op('Where', [above(n, g, 0), n.grad, times(n, g, slope)]);
});

// dx where x > 0, else (y / alpha + 1) dx, for y = alpha (e^(x / alpha) - 1)
export const celu = unary((n, g) => {
  const scaled = g.op('Mul', [n.out(0), g.scalar(1 / n.float('alpha', 1), n.grad)]);
  const slope = g.op('Add', [scaled, g.scalar(1, n.grad)]);
  return g.op('Where', [above(n, g, 0), n.grad, times(n, g, slope)]);
});

// gamma dx where x > 0, else (y + gamma alpha) dx, for y = gamma alpha (e^x - 1)
export const selu = unary((n, g) => {
  const [alpha, gamma] = [n.float('alpha', SELU_ALPHA), n.float('gamma', SELU_GAMMA)];
  const slope = g.op('Add', [n.out(0), g.scalar(alpha * gamma, n.grad)]);
  return g.op('Where', [above(n, g, 0), times(n, g, gamma), times(n, g, slope)]);
});

/** ONNX's defaults. */
export const SELU_ALPHA = 1.67326319217681884765625;
export const SELU_GAMMA = 1.05070102214813232421875;

// d sigmoid(x) = y (1 - y) dx
export const sigmoid = unary((n, g) =>
  times(n, g, g.op('Mul', [n.out(0), g.op('Sub', [g.scalar(1, n.grad), n.out(0)])])),
);

// alpha dx where 0 < y < 1, else 0, for y = clip(alpha x + beta, 0, 1)
export const hardSigmoid = unary((n, g) => {
  const zero = g.scalar(0, n.grad);
  const below = g.op('Less', [n.out(0), g.scalar(1, n.grad)]);
  const inside = g.op('Where', [below, times(n, g, n.float('alpha', 0.2)), zero]);
  return g.op('Where', [g.op('Greater', [n.out(0), zero]), inside, zero]);
});

// (x / 3 + 1/2) dx where -3 <= x <= 3, dx above, 0 below, for y = x clip(x / 6 + 1/2, 0, 1)
export const hardSwish = unary((n, g) => {
  const third = g.op('Mul', [n.in(0), g.scalar(1 / 3, n.grad)]);
  const slope = times(n, g, g.op('Add', [third, g.scalar(0.5, n.grad)]));
  const inside = g.op('Where', [above(n, g, 3), n.grad, slope]);
  const below = g.op('Less', [n.in(0), g.scalar(-3, n.grad)]);
  return g.op('Where', [below, g.scalar(0, n.grad), inside]);
});

// d(x s) = (s + alpha y (1 - s)) dx, for s = sigmoid(alpha x)
export const swish = unary((n, g) => {
  const alpha = n.float('alpha', 1);
  const scaled = (x: string): string =>
    alpha === 1 ? x : g.op('Mul', [x, g.scalar(alpha, n.grad)]);
  const s = g.op('Sigmoid', [scaled(n.in(0))]);
  const rest = g.op('Mul', [scaled(n.out(0)), g.op('Sub', [g.scalar(1, n.grad), s])]);
  return times(n, g, g.op('Add', [s, rest]));
});

// d(x t) = (t + x (1 - t^2) sigmoid(x)) dx, for t = tanh(softplus(x))
export const mish = unary((n, g) => {
  const t = g.op('Tanh', [g.op('Softplus', [n.in(0)])]);
  const bent = g.op('Sub', [g.scalar(1, n.grad), g.op('Mul', [t, t])]);
  const rest = g.op('Mul', [bent, g.op('Mul', [n.in(0), g.op('Sigmoid', [n.in(0)])])]);
  return times(n, g, g.op('Add', [t, rest]));
});

/**
 * y = x P(x). Exact: P(x) = (1 + erf(s)) / 2 for s = x / sqrt 2, and dP = e^(-s^2) / sqrt(2 pi) dx.
 * `tanh`: P(x) = sigmoid(x (a + b x^2)), and x dP = y (1 - P) (a + 3 b x^2) dx.
 */
export const gelu = unary((n, g) =>
  times(n, g, n.text('approximate', 'none') === 'tanh' ? tanhGelu(n, g) : exactGelu(n, g)),
);

const exactGelu = (n: GradientView, g: Emitter): string => {
  const by = (x: string, factor: number): string => g.op('Mul', [x, g.scalar(factor, n.grad)]);
  const s = by(n.in(0), Math.SQRT1_2);
  const p = g.op('Add', [by(g.op('Erf', [s]), 0.5), g.scalar(0.5, n.grad)]);
  const bell = g.op('Exp', [g.op('Neg', [g.op('Mul', [s, s])])]);
  return g.op('Add', [p, by(g.op('Mul', [s, bell]), 1 / Math.sqrt(Math.PI))]);
};

const tanhGelu = (n: GradientView, g: Emitter): string => {
  const a = 2 * Math.sqrt(2 / Math.PI);
  const b = a * 0.044715;
  const square = g.op('Mul', [n.in(0), n.in(0)]);
  const polynomial = (by: number): string =>
    g.op('Add', [g.op('Mul', [square, g.scalar(by, n.grad)]), g.scalar(a, n.grad)]);
  const p = g.op('Sigmoid', [g.op('Mul', [n.in(0), polynomial(b)])]);
  const rest = g.op('Mul', [n.out(0), g.op('Sub', [g.scalar(1, n.grad), p])]);
  return g.op('Add', [p, g.op('Mul', [rest, polynomial(3 * b)])]);
};

// d tanh(x) = (1 - y^2) dx
export const tanh = unary((n, g) =>
  times(n, g, g.op('Sub', [g.scalar(1, n.grad), g.op('Mul', [n.out(0), n.out(0)])])),
);

// d ln(1 + e^x) = sigmoid(x) dx
export const softplus = unary((n, g) => times(n, g, g.op('Sigmoid', [n.in(0)])));

// d(x / (1 + |x|)) = (1 - |y|)^2 dx
export const softsign = unary((n, g) => {
  const rest = g.op('Sub', [g.scalar(1, n.grad), g.op('Abs', [n.out(0)])]);
  return times(n, g, g.op('Mul', [rest, rest]));
});

// dx where |x| > lambd, else 0
export const shrink = unary((n, g) => {
  const far = g.op('Greater', [g.op('Abs', [n.in(0)]), g.scalar(n.float('lambd', 0.5), n.grad)]);
  return g.op('Where', [far, n.grad, g.scalar(0, n.grad)]);
});
