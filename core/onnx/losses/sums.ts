import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import type { ValueType } from '../graph.ts';
import type { Reduction, Sum } from './loss.ts';

/** A sum under a graph output of that name. */
export const sumOf = (g: Emitter, output: string, value: string): Sum => ({
  output: g.fresh(output),
  value,
});

/** The type of a value that a loss reads; refuses one whose shape isn't known or that isn't float32. */
export const floatType = (g: Emitter, value: string, expected: string): ValueType => {
  const type = g.types.get(value);
  if (type?.dtype === 'F32') return type;
  return refuse({
    reason: 'loss_mismatch',
    expected,
    got: `${value} ${type === undefined ? 'of unknown shape' : `of ${type.dtype}`}`,
  });
};

/** All elements of a tensor added up. */
export const total = (g: Emitter, x: string): string => {
  const axes = (g.types.get(x)?.shape ?? []).map((_, axis) => axis);
  return axes.length === 0 ? x : g.reduce('ReduceSum', x, axes, 0);
};

/** A truth value as 1 or 0. */
export const toFloat = (g: Emitter, x: string): string => g.op('Cast', [x], { to: 1 });

/** Class numbers as int32, which WebGPU compares (int64 it doesn't). */
export const toInt32 = (g: Emitter, x: string): string => g.op('Cast', [x], { to: 6 });

/** How many elements a tensor has when the graph runs. */
export const elements = (g: Emitter, x: string): string => toFloat(g, g.op('Size', [x]));

/** How many rows a tensor has: the batch size. */
export const rows = (g: Emitter, x: string): string =>
  toFloat(g, g.op('Squeeze', [g.op('Shape', [x], { end: 1 }), g.ints([0])]));

/** The gradient of the mean or the sum, from that of the sum. */
export const reduced = (
  g: Emitter,
  slope: string,
  count: string,
  reduction: Reduction = 'mean',
): string => (reduction === 'sum' ? slope : g.op('Div', [slope, count]));
