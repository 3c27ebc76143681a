import { allStatic } from '../dim.ts';
import type { Dim } from '../dim.ts';
import { ABSTRACT } from '../emitter.ts';
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

/** How many rows a tensor has: the batch size. All tensors that have as many share the count. */
export const rows = (g: Emitter, x: string): string => {
  const length = g.types.get(x)?.shape[0];
  const [first] = [...g.types].find(
    ([, { dtype, shape }]) => dtype === 'F32' && typeof length === 'string' && shape[0] === length,
  ) ?? [x];
  return g.op('Rows', [first], {}, ABSTRACT);
};

/** How many elements a tensor of so many rows has. */
export const elements = (g: Emitter, x: string, count: string): string => {
  const inner: readonly Dim[] = (g.types.get(x)?.shape ?? []).slice(1);
  if (!allStatic(inner)) return total(g, toFloat(g, g.op('Equal', [x, x])));
  const each = inner.reduce((a, b) => a * b, 1);
  return each === 1 ? count : g.op('Mul', [count, g.scalar(each, count)]);
};

/** The gradient of the mean or the sum, from that of the sum. */
export const reduced = (
  g: Emitter,
  slope: string,
  count: string,
  reduction: Reduction = 'mean',
): string => (reduction === 'sum' ? slope : g.op('Div', [slope, count]));
