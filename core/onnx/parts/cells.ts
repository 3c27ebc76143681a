/** The cells of LSTM, GRU and RNN: one step each, in ONNX's order of gates. Equations as in the operators' definitions. */
import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import { cutInto, pieces } from './pieces.ts';
import { recurrent } from './recurrence.ts';
import type { Cell, Weights } from './recurrence.ts';

const activate = (g: Emitter, { activations }: Weights, which: number, x: string): string =>
  g.op(activations[which] ?? 'Tanh', [x]);

const bothBiases = (
  _: NodeView,
  g: Emitter,
  { inputBias, recurrentBias }: Weights,
): string | undefined =>
  inputBias === undefined || recurrentBias === undefined
    ? undefined
    : g.op('Add', [inputBias, recurrentBias]);

const mul = (g: Emitter, a: string, b: string): string => g.op('Mul', [a, b]);
const add = (g: Emitter, a: string, b: string): string => g.op('Add', [a, b]);

// h' = f(x W' + h R' + b)
const rnn: Cell = {
  activations: ['Tanh'],
  initial: [5],
  bias: bothBiases,
  step(_, g, w, gates, [h = '']) {
    return [activate(g, w, 0, g.op('Gemm', [h, w.recurrent, gates], { transB: 1 }))];
  },
};

/**
 * i, o, f = f(x W' + h R' + p c + b), c~ = g(x W' + h R' + b): c' = f c + i c~, h' = o h(c').
 * Without peepholes, the three gates are one activation.
 */
const lstm: Cell = {
  activations: ['Sigmoid', 'Tanh', 'Tanh'],
  initial: [5, 6],
  peephole: 7,
  bias: bothBiases,
  step(_, g, w, gates, [h = '', c = '']) {
    const z = g.op('Gemm', [h, w.recurrent, gates], { transB: 1 });
    if (w.peephole === undefined) {
      const [three = '', one = ''] = cutInto(g, z, [3 * w.hidden, w.hidden], 1);
      const [i = '', o = '', f = ''] = pieces(g, activate(g, w, 0, three), 3, 1);
      const cell = add(g, mul(g, f, c), mul(g, i, activate(g, w, 1, one)));
      return [mul(g, o, activate(g, w, 2, cell)), cell];
    }
    const [zi = '', zo = '', zf = '', zc = ''] = pieces(g, z, 4, 1);
    const [pi = '', po = '', pf = ''] = pieces(g, w.peephole, 3, 0);
    const i = activate(g, w, 0, add(g, zi, mul(g, c, pi)));
    const f = activate(g, w, 0, add(g, zf, mul(g, c, pf)));
    const cell = add(g, mul(g, f, c), mul(g, i, activate(g, w, 1, zc)));
    const o = activate(g, w, 0, add(g, zo, mul(g, cell, po)));
    return [mul(g, o, activate(g, w, 2, cell)), cell];
  },
};

/**
 * z, r = f(x W' + h R' + b); h~ = g(x W' + (r h) R' + b), or with `linear_before_reset`
 * h~ = g(x W' + r (h R' + b)): h' = (1 - z) h~ + z h.
 */
const gru: Cell = {
  activations: ['Sigmoid', 'Tanh'],
  initial: [5],
  // What is reset includes the recurrence's own bias.
  bias: (n, g, w) => (resetsLast(n) ? w.inputBias : bothBiases(n, g, w)),
  step(n, g, w, gates, [h = '']) {
    const two = [2 * w.hidden, w.hidden];
    const [xzr = '', xh = ''] = cutInto(g, gates, two, 1);
    const next = (zr: string, candidate: (r: string) => string): readonly string[] => {
      const [z = '', r = ''] = pieces(g, activate(g, w, 0, zr), 2, 1);
      const fresh = activate(g, w, 1, candidate(r));
      return [add(g, fresh, mul(g, z, g.op('Sub', [h, fresh])))];
    };
    if (resetsLast(n)) {
      const inputs = [h, w.recurrent, ...(w.recurrentBias === undefined ? [] : [w.recurrentBias])];
      const [hzr = '', hh = ''] = cutInto(g, g.op('Gemm', inputs, { transB: 1 }), two, 1);
      return next(add(g, xzr, hzr), (r) => add(g, xh, mul(g, r, hh)));
    }
    const [rzr = '', rh = ''] = cutInto(g, w.recurrent, two, 0);
    return next(g.op('Gemm', [h, rzr, xzr], { transB: 1 }), (r) =>
      g.op('Gemm', [mul(g, r, h), rh, xh], { transB: 1 }),
    );
  },
};

const resetsLast = (n: NodeView): boolean => n.int('linear_before_reset', 0) === 1;

export const lstmParts = recurrent(lstm);
export const gruParts = recurrent(gru);
export const rnnParts = recurrent(rnn);
