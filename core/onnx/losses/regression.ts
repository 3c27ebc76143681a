import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { elementwise } from './elementwise.ts';
import type { CommonOptions, Loss } from './loss.ts';

/** The smallest normal float32: x / max(|x|, TINY) is the sign of x. */
const TINY = 2 ** -126;

const times = (g: Emitter, by: number, x: string): string =>
  by === 1 ? x : g.op('Mul', [x, g.scalar(by, x)]);

/** Mean squared error (torch.nn.MSELoss): d^2 for d = z - y; slope 2 d. */
export const mse = (options: CommonOptions): Loss =>
  elementwise(options, (g, z, y) => {
    const d = g.op('Sub', [z, y]);
    return { loss: g.op('Mul', [d, d]), slope: times(g, 2, d) };
  });

/** Mean absolute error (torch.nn.L1Loss): |d|; slope sign(d), which WebGPU's kernels don't have. */
export const mae = (options: CommonOptions): Loss =>
  elementwise(options, (g, z, y) => {
    const d = g.op('Sub', [z, y]);
    const loss = g.op('Abs', [d]);
    return { loss, slope: g.op('Div', [d, g.op('Clip', [loss, g.scalar(TINY, loss)])]) };
  });

export interface HuberOptions extends CommonOptions {
  /** Where the parabola becomes a line. Default 1. */
  readonly delta?: number;
}

/** Huber's loss (torch.nn.HuberLoss): d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2). */
export const huber = (options: HuberOptions): Loss => {
  const delta = positive('delta', options.delta ?? 1);
  return elementwise(options, (g, z, y) => bent(g, z, y, delta, 1));
};

export interface SmoothL1Options extends CommonOptions {
  /** Where the parabola becomes a line. Default 1. */
  readonly beta?: number;
}

/** torch.nn.SmoothL1Loss: Huber's loss divided by beta. */
export const smoothL1 = (options: SmoothL1Options): Loss => {
  const beta = positive('beta', options.beta ?? 1);
  return elementwise(options, (g, z, y) => bent(g, z, y, beta, 1 / beta));
};

/** With c = d cut to [-delta, delta], Huber's loss is c (d - c / 2) and its slope c. */
const bent = (g: Emitter, z: string, y: string, delta: number, scale: number) => {
  const d = g.op('Sub', [z, y]);
  const c = g.op('Clip', [d, g.scalar(-delta, d), g.scalar(delta, d)]);
  const slope = times(g, scale, c);
  return { loss: g.op('Mul', [slope, g.op('Sub', [d, times(g, 0.5, c)])]), slope };
};

const positive = (option: string, value: number): number =>
  Number.isFinite(value) && value > 0
    ? value
    : refuse({
        reason: 'bad_option',
        option: `loss.${option}`,
        detail: `expected a number > 0, got ${value}`,
      });
