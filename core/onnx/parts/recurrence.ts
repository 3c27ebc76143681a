import { product } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import type { Parts, Unless } from '../gradients/rule.ts';
import type { NodeView } from '../node-view.ts';
import { pieces } from './pieces.ts';

/** The weights of one direction: those of the input are applied to all time steps at once, before the first. */
export interface Weights {
  readonly hidden: number;
  /** [gates * hidden, hidden] */
  readonly recurrent: string;
  /** [gates * hidden] each; undefined where the node has none. */
  readonly inputBias: string | undefined;
  readonly recurrentBias: string | undefined;
  /** LSTM's P, [3 * hidden]. */
  readonly peephole: string | undefined;
  readonly activations: readonly string[];
}

/** What is to be known of a kind of recurrent node to write it out. */
export interface Cell {
  readonly activations: readonly string[];
  /** Inputs that hold the states before the first step; the first state is the cell's output. */
  readonly initial: readonly number[];
  readonly peephole?: number;
  /** The bias [gates * hidden] that is added to x W' for all steps at once. */
  bias(n: NodeView, g: Emitter, weights: Weights): string | undefined;
  /** The next states, from x W' [batch, gates * hidden] of this step and the states [batch, hidden] before it. */
  step(
    n: NodeView,
    g: Emitter,
    weights: Weights,
    gates: string,
    states: readonly string[],
  ): readonly string[];
}

const ACTIVATIONS = /^(Relu|Tanh|Sigmoid|Softsign|Softplus|LeakyRelu|Elu|HardSigmoid)$/;

/** Why a recurrent node stays whole. */
export const recurrentOtherwise: Unless = (n) => {
  const unknown = n.texts('activations')?.find((name) => !ACTIVATIONS.test(name));
  if (unknown !== undefined) return `its activation ${unknown} is not written out`;
  const odd = ['clip', 'input_forget', 'activation_alpha', 'activation_beta'].find(
    (name) => n.hasAttribute(name) && (name !== 'input_forget' || n.int(name, 0) === 1),
  );
  return odd === undefined ? undefined : `its attribute ${odd} is not written out`;
};

/**
 * LSTM, GRU and RNN written out, step by step and direction by direction, with sequences of unequal lengths: beyond its
 * end a sequence keeps its states, and its output is 0.
 */
export const recurrent =
  (cell: Cell): Parts =>
  (n, g) => {
    const batchFirst = n.int('layout', 0) === 1;
    const swapped = (x: string, perm: readonly number[]): string =>
      batchFirst && x !== '' ? g.op('Transpose', [x], { perm }) : x;
    const x = swapped(n.in(0), [1, 0, 2]);
    const [steps = 1, batch = 1, size = 1] = g.types.get(x)?.shape ?? n.malformed('no input');
    const length = n.number(steps, 'because its time steps are written out one by one');
    const hidden = n.number(n.shape(2).at(-1) ?? 1, 'because it is the number of hidden units');
    const backwards = WAYS[n.text('direction', 'forward')] ?? n.malformed('unknown direction');
    const of = (value: string): readonly string[] => perWay(g, value, backwards.length);
    const [w, r, b, p] = [1, 2, 3, cell.peephole ?? -1].map((input) => of(n.in(input)));
    const initial = cell.initial.map((input) => of(swapped(n.in(input), [1, 0, 2])));
    const shape = [g.op('Shape', [x], { start: 1, end: 2 }), g.ints([hidden])];
    const zeros = g.op('Expand', [g.scalar(0, x), g.op('Concat', shape, { axis: 0 })]);
    const rows = g.reshape(x, [product([length, batch]), size]);
    const runs = n.has(4) ? alive(n, g, length) : [];
    const names = n.texts('activations') ?? [];
    const ways = backwards.map((reverse, way) => {
      const [inputBias, recurrentBias]: readonly string[] = b?.[way] ? pieces(g, b[way], 2, 0) : [];
      const count = cell.activations.length;
      const weights: Weights = {
        hidden,
        recurrent: r?.[way] ?? '',
        inputBias,
        recurrentBias,
        peephole: p?.[way],
        activations: names.length > 0 ? names.slice(way * count) : cell.activations,
      };
      const bias = cell.bias(n, g, weights) ?? '';
      const all = g.op('Gemm', [rows, w?.[way] ?? '', ...(bias === '' ? [] : [bias])], {
        transB: 1,
      });
      const gates = pieces(g, all, length, 0);
      const outputs: string[] = [];
      let states: readonly string[] = initial.map((given) => given[way] ?? zeros);
      for (let i = 0; i < length; i++) {
        const t = reverse ? length - 1 - i : i;
        const before = states;
        const chosen = (value: string, otherwise: string): string =>
          runs[t] === undefined ? value : g.op('Where', [runs[t], value, otherwise]);
        const next = cell.step(n, g, weights, gates[t] ?? '', before);
        states = next.map((state, k) => chosen(state, before[k] ?? ''));
        outputs[t] = chosen(next[0] ?? '', zeros);
      }
      return { outputs, states };
    });
    const whole = (): string => {
      const each = ways.map(({ outputs }) =>
        g.reshape(joined(g, outputs, 0), [length, 1, batch, hidden]),
      );
      return swapped(joined(g, each, 1), [2, 0, 1, 3]);
    };
    const ends = cell.initial.map((_, k) => {
      const each = ways.map(({ states }) => g.op('Unsqueeze', [states[k] ?? '', g.ints([0])]));
      return swapped(joined(g, each, 0), [1, 0, 2]);
    });
    return [n.out(0) === '' ? '' : whole(), ...ends];
  };

/** Whether each direction goes backwards. */
const WAYS: Readonly<Record<string, readonly boolean[]>> = {
  forward: [false],
  reverse: [true],
  bidirectional: [false, true],
};

/** What belongs to each direction of [directions, ...]; nothing where the node has no such input. */
const perWay = (g: Emitter, x: string, ways: number): readonly string[] =>
  x === '' ? [] : pieces(g, x, ways, 0).map((own) => g.op('Squeeze', [own, g.ints([0])]));

const joined = (g: Emitter, list: readonly string[], axis: number): string =>
  list.length === 1 ? (list[0] ?? '') : g.op('Concat', list, { axis });

/** For each step, whether it lies within each sequence: [batch, 1]. */
const alive = (n: NodeView, g: Emitter, length: number): readonly string[] => {
  const lengths = g.op('Unsqueeze', [n.in(4), g.ints([1])]);
  return Array.from({ length }, (_, t) => g.op('Greater', [lengths, g.scalar(t, lengths)]));
};
