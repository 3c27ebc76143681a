import type { Emitter } from '../emitter.ts';

/** x times a constant. */
export const scaled = (g: Emitter, by: number, x: string): string =>
  g.op('Mul', [x, g.scalar(by, x)]);

/** The gradient with an L2 penalty: weightDecay * w joins it. */
export const decayed = (g: Emitter, weightDecay: number, gradient: string, w: string): string =>
  weightDecay === 0 ? gradient : g.op('Add', [gradient, scaled(g, weightDecay, w)]);

/** A running mean: keep * mean + (1 - keep) * x. */
export const blend = (g: Emitter, keep: number, mean: string, x: string): string =>
  g.op('Add', [scaled(g, keep, mean), scaled(g, 1 - keep, x)]);

/** w - rate * direction. */
export const descended = (g: Emitter, w: string, rate: string, direction: string): string =>
  g.op('Sub', [w, g.op('Mul', [direction, rate])]);
