import type { TermSpec } from '../../tensors/manifest.ts';
import { BATCH } from '../batch.ts';
import { allStatic } from '../dim.ts';
import type { Dim } from '../dim.ts';
import { ABSTRACT } from '../emitter.ts';
import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { GradientView } from '../gradients/rule.ts';
import { unbroadcast } from '../gradients/unbroadcast.ts';
import type { Loss, LossNodes } from '../losses/loss.ts';
import { lossOf } from '../losses/registry.ts';
import type { LossOptions } from '../losses/registry.ts';
import { entryOf } from '../route.ts';
import type { Route } from '../route.ts';
import { USES } from './registry.ts';
import { broadcastUse, rearranged, together } from './use.ts';
import type { Use } from './use.ts';

/** So that a gradient of zero is not divided by its norm (as in Opacus). */
const TINY = 1e-6;

export interface PerExampleOptions {
  /**
   * Each example's gradient, over all parameters that are learned, is cut to this norm; its loss is the sum over its
   * elements. The `gradients` program gives the sum over the batch, the optimizer takes the sum over the batch size.
   */
  readonly clip: number;
  /** Whether `train` takes noise to add to the sum, an input per parameter (terms of kind `noise`). Default false. */
  readonly noise?: boolean;
}

/** Gradients whose examples were cut to a norm. */
export interface Clipped {
  readonly clip: number;
  /** Sums over the batch, by parameter. */
  readonly sums: ReadonlyMap<string, string>;
  readonly noise: readonly TermSpec[];
}

interface Wanted {
  readonly wanted: ReadonlySet<string>;
  /** Values that depend on the examples. */
  readonly apart: ReadonlySet<string>;
}

/** The same loss, with the gradient of its sum: a mean may divide by what all examples together weigh. */
export const summed = (options: LossOptions): Loss => {
  if (typeof options !== 'string' && 'graph' in options) {
    const detail = 'whether a loss graph keeps examples apart is not known';
    return refuse({ reason: 'bad_option', option: 'perExample', detail });
  }
  return typeof options === 'string'
    ? lossOf({ name: options, reduction: 'sum' })
    : lossOf({ ...options, reduction: 'sum' });
};

/** What the optimizer takes: the clipped sum, with noise where it is asked for, over the batch size. */
export const clippedGradients = (
  g: Emitter,
  route: Route,
  { seeds, examples }: LossNodes,
  { clip, noise = false, ...of }: PerExampleOptions & Wanted,
): { readonly gradients: ReadonlyMap<string, string>; readonly clipped: Clipped } => {
  if (!(Number.isFinite(clip) && clip > 0)) {
    refuse({ reason: 'bad_option', option: 'perExample.clip', detail: `${clip} is no norm` });
  }
  const sums = clippedSums(g, route, seeds, { ...of, clip });
  const terms: TermSpec[] = [];
  const gradients = new Map(
    [...sums].map(([name, sum]) => {
      const { dtype = 'F32', shape = [] } = g.types.get(name) ?? {};
      if (!noise || !allStatic(shape)) return [name, g.op('Div', [sum, examples.value])];
      const input = g.input(g.fresh(`noise/${name}`), { dtype, shape });
      terms.push({ kind: 'noise', name, dtype, shape, input });
      return [name, g.op('Div', [g.op('Add', [sum, input]), examples.value])];
    }),
  );
  return { gradients, clipped: { clip, sums, noise: terms } };
};

/**
 * For each wanted parameter the sum over the batch of the examples' own gradients, each cut to the norm `clip` over all
 * parameters together: g min(1, clip / (|g| + 1e-6)) (DP-SGD, Abadi et al. 2016). One backward pass; the examples must be
 * known to be apart (apart.ts), and `seeds` are those of the sum of their losses. Invariants:
 * 1. Between examples and loss, gradients are those of the ordinary reverse walk: its first axis is the examples.
 * 2. Where a weight meets the examples, its gradient is kept apart by a rule of its own, or by its broadcast shape. What
 *    was summed over the batch already is refused, by name.
 * 3. Between a parameter and that place stand only rearrangements, which keep norms.
 */
const clippedSums = (
  g: Emitter,
  { needed, nodes }: Route,
  seeds: ReadonlyMap<string, string>,
  { wanted, apart, clip }: Wanted & { readonly clip: number },
): ReadonlyMap<string, string> => {
  const grads = new Map(seeds);
  const uses = new Map<string, Use[]>();
  const used = (name: string, use: Use): void => {
    uses.set(name, [...(uses.get(name) ?? []), use]);
  };
  for (const node of nodes.toReversed()) {
    const entry = entryOf(node);
    const view = new GradientView(node, g, needed, grads);
    if (entry === undefined || !('rule' in entry)) continue;
    if (!apart.has(view.out(0))) {
      const use = before(g, view, uses.get(view.out(0)) ?? []);
      if (use !== undefined) used(view.in(0), use);
      continue;
    }
    if (!node.output.some((name) => grads.has(name))) continue;
    entry.rule(view, g).forEach((grad, i) => {
      const name = view.in(i);
      if (grad === null || !view.needs(i)) return;
      if (!apart.has(name)) return used(name, useAt(g, view, i, grad));
      const own = unbroadcast(g, view.label, grad, name);
      const other = grads.get(name);
      grads.set(name, other === undefined ? own : g.op('Add', [other, own]));
    });
  }
  const found = new Map(
    [...wanted].flatMap((name): [string, Use][] => {
      const own = uses.get(name);
      return own === undefined ? [] : [[name, together(g, shapeOf(g, name), own)]];
    }),
  );
  const squares = [...found.values()].map((use) => use.squares());
  if (squares.length === 0) return new Map();
  const norm = g.op('Sqrt', [squares.reduce((sum, next) => g.op('Add', [sum, next]))]);
  const factor = g.op('Div', [g.scalar(clip, norm), g.op('Add', [norm, g.scalar(TINY, norm)])]);
  const by = g.op('Min', [factor, g.scalar(1, factor)]);
  return new Map([...found].map(([name, use]) => [name, use.weighted(by)]));
};

const shapeOf = (g: Emitter, name: string): readonly Dim[] => g.types.get(name)?.shape ?? [];

const alreadySummed = (n: GradientView): never =>
  refuse({
    reason: 'bad_option',
    option: 'perExample',
    detail: `node ${n.label} (${n.proto.opType}): its weight's gradient is known as a sum over the batch only`,
  });

const useAt = (g: Emitter, n: GradientView, i: number, grad: string): Use => {
  const rule = n.proto.domain === ABSTRACT ? undefined : USES[n.proto.opType]?.[i];
  return rule?.(n, g) ?? broadcastUse(g, grad, n.shape(i)) ?? alreadySummed(n);
};

/** The uses of a rearranged weight, as one of the weight. */
const before = (g: Emitter, n: GradientView, uses: readonly Use[]): Use | undefined => {
  if (uses.length === 0) return undefined;
  const [shape, whole] = [n.shape(0), together(g, shapeOf(g, n.out(0)), uses)];
  if (n.proto.opType === 'Transpose') {
    const order = n.ints('perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
    const inverse = order.map((_, axis) => order.indexOf(axis));
    const turn = (x: string, perm: readonly number[]) => g.op('Transpose', [x], { perm });
    return rearranged(
      whole,
      (x) => turn(x, inverse),
      (x) => turn(x, [0, ...inverse.map((axis) => axis + 1)]),
    );
  }
  if (!['Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze'].includes(n.proto.opType)) {
    return refuse({
      reason: 'bad_option',
      option: 'perExample',
      detail: `node ${n.label} (${n.proto.opType}) changes a weight before the examples meet it`,
    });
  }
  return rearranged(
    whole,
    (x) => g.reshape(x, shape),
    (x) => g.reshape(x, [BATCH, ...shape]),
  );
};
