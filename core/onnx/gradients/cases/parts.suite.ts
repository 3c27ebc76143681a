/** Cases of operators given by their parts. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { float } from '../../attribute.ts';
import type { Attributes } from '../../attribute.ts';
import { dim, filled, int64, seed, shapes } from './case.suite.ts';
import type { Case } from './case.suite.ts';

const lengths = (batch: number, steps: number, s: number): Tensor => ({
  dtype: 'I32',
  shape: [batch],
  data: Int32Array.from({ length: batch }, (_, i) => 1 + ((s + i) % steps)),
});

/** Any direction, layout, and choice of the optional inputs; smooth activations. */
const recurrent = (gates: number, states: number, more: readonly object[]): fc.Arbitrary<Case> =>
  fc
    .record({
      steps: dim(3),
      batch: dim(2),
      size: dim(2),
      hidden: dim(2),
      direction: fc.constantFrom('forward', 'reverse', 'bidirectional'),
      bias: fc.boolean(),
      unequal: fc.boolean(),
      started: fc.boolean(),
      peephole: fc.boolean(),
      extra: fc.constantFrom(...more),
      s: seed,
    })
    .map(
      ({ steps, batch, size, hidden, direction, bias, unequal, started, peephole, extra, s }) => {
        const ways = direction === 'bidirectional' ? 2 : 1;
        const inputs = [
          filled([steps, batch, size], s, 'any'),
          filled([ways, gates * hidden, size], s + 1, 'small'),
          filled([ways, gates * hidden, hidden], s + 2, 'small'),
        ];
        const optional = (given: boolean, shape: readonly number[]): number | null =>
          given ? inputs.push(filled(shape, s + 3 + inputs.length, 'small')) - 1 : null;
        const wiring = [
          0,
          1,
          2,
          optional(bias, [ways, 2 * gates * hidden]),
          unequal ? lengths(batch, steps, s) : null,
          ...Array.from({ length: states }, () => optional(started, [ways, batch, hidden])),
          ...(gates === 4 ? [optional(peephole, [ways, 3 * hidden])] : []),
        ];
        return { inputs, wiring, attributes: { hidden_size: hidden, direction, ...extra } };
      },
    );

/** Three axes or four, masks of either kind, groups of heads, a past, causality, a cap. */
const attention: fc.Arbitrary<Case> = fc
  .record({
    batch: dim(2),
    groups: dim(2),
    own: dim(2),
    steps: dim(3),
    others: dim(3),
    size: dim(2),
    wide: dim(2),
    three: fc.boolean(),
    past: fc.constantFrom(0, 0, 2),
    mask: fc.constantFrom('', 'BOOL', 'F32'),
    causal: fc.constantFrom(0, 1),
    softcap: fc.constantFrom(0, 1.5),
    s: seed,
  })
  .map(
    ({ batch, groups, own, steps, others, size, wide, three, past, mask, causal, softcap, s }) => {
      // With a past, runtimes disagree on what is causal unless there is one key for each query.
      const keys = past > 0 ? steps : others;
      const heads = groups * own;
      const laid = (count: number, length: number, each: number): number[] =>
        three ? [batch, length, count * each] : [batch, count, length, each];
      const inputs = [
        filled(laid(heads, steps, size), s, 'any'),
        filled(laid(own, keys, size), s + 1, 'any'),
        filled(laid(own, keys, wide), s + 2, 'any'),
      ];
      const shape = [steps, past + keys];
      const cells = steps * (past + keys);
      // Every query sees its first key.
      const data = Uint8Array.from({ length: cells }, (_, i) =>
        i % (past + keys) === 0 || (s + i) % 3 > 0 ? 1 : 0,
      );
      const masks = {
        BOOL: { dtype: 'BOOL', shape, data } as const,
        F32: filled(shape, s + 3, 'any'),
      };
      const wiring: (number | Tensor | null)[] = [
        0,
        1,
        2,
        mask === '' ? null : masks[mask as 'F32'],
      ];
      if (past > 0) {
        wiring.push(inputs.push(filled([batch, own, past, size], s + 4, 'any')) - 1);
        wiring.push(inputs.push(filled([batch, own, past, wide], s + 5, 'any')) - 1);
      }
      const attributes: Attributes = {
        ...(three && { q_num_heads: heads, kv_num_heads: own }),
        ...(causal === 1 && { is_causal: 1 }),
        ...(softcap > 0 && { softcap: float(softcap) }),
      };
      return { opset: 23, inputs, wiring, attributes, outputs: past > 0 ? 3 : 1 };
    },
  );

const rotary: fc.Arbitrary<Case> = fc
  .record({
    batch: dim(2),
    heads: dim(2),
    steps: dim(3),
    pairs: dim(2),
    still: fc.constantFrom(0, 2),
    three: fc.boolean(),
    placed: fc.boolean(),
    interleaved: fc.constantFrom(0, 1),
    s: seed,
  })
  .map(({ batch, heads, steps, pairs, still, three, placed, interleaved, s }) => {
    const size = 2 * pairs + still;
    const cache = placed ? [5, pairs] : [batch, steps, pairs];
    const data = BigInt64Array.from({ length: batch * steps }, (_, i) => BigInt((s + 3 * i) % 5));
    return {
      opset: 23,
      inputs: [
        filled(three ? [batch, steps, heads * size] : [batch, heads, steps, size], s, 'any'),
        filled(cache, s + 1, 'any'),
        filled(cache, s + 2, 'any'),
      ],
      wiring: [0, 1, 2, placed ? ({ dtype: 'I64', shape: [batch, steps], data } as const) : null],
      attributes: {
        interleaved,
        ...(three && { num_heads: heads }),
        ...(still > 0 && { rotary_embedding_dim: 2 * pairs }),
      },
    };
  });

const centerCropPad: fc.Arbitrary<Case> = shapes(1, 3).chain((shape) =>
  fc
    .tuple(
      fc.subarray([...shape.keys()], { minLength: 1 }),
      fc.array(dim(7), { minLength: 3 }),
      seed,
    )
    .map(([axes, lengths, s]) => ({
      opset: 18,
      inputs: [filled(shape, s, 'any')],
      wiring: [0, int64(lengths.slice(0, axes.length))],
      attributes: { axes },
    })),
);

export const PARTS: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  Attention: attention,
  CenterCropPad: centerCropPad,
  GRU: recurrent(3, 1, [{ linear_before_reset: 0 }, { linear_before_reset: 1 }]),
  LSTM: recurrent(4, 2, [{}]),
  RNN: recurrent(1, 1, [{}]),
  RotaryEmbedding: rotary,
};
