import { allStatic } from '../dim.ts';
import type { Dim } from '../dim.ts';
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

/**
 * How many rows a tensor has: the batch size. Its first column is compared with itself and added up, because shapes are
 * integers of the CPU, from where WebGPU would have to fetch them.
 */
export const rows = (g: Emitter, x: string): string => {
  const inner = (g.types.get(x)?.shape ?? []).map((_, axis) => axis).slice(1);
  const list = (value: number): string => g.ints(inner.map(() => value));
  const column = inner.length === 0 ? x : g.op('Slice', [x, list(0), list(1), g.ints(inner)]);
  return ones(g, column);
};

/** How many elements a tensor of so many rows has. */
export const elements = (g: Emitter, x: string, count: string): string => {
  const inner: readonly Dim[] = (g.types.get(x)?.shape ?? []).slice(1);
  if (!allStatic(inner)) return ones(g, x);
  const each = inner.reduce((a, b) => a * b, 1);
  return each === 1 ? count : g.op('Mul', [count, g.scalar(each, count)]);
};

const ones = (g: Emitter, x: string): string => total(g, toFloat(g, g.op('Equal', [x, x])));

/** The gradient of the mean or the sum, from that of the sum. */
export const reduced = (
  g: Emitter,
  slope: string,
  count: string,
  reduction: Reduction = 'mean',
): string => (reduction === 'sum' ? slope : g.op('Div', [slope, count]));
