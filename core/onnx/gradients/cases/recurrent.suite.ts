/** Cases of operators given by their parts. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import type { Tensor } from '../../../tensors/tensor.ts';
import { dim, filled, seed } from './case.suite.ts';
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
          ...[0, 1, 2],
          optional(bias, [ways, 2 * gates * hidden]),
          unequal ? lengths(batch, steps, s) : null,
          ...Array.from({ length: states }, () => optional(started, [ways, batch, hidden])),
          ...(gates === 4 ? [optional(peephole, [ways, 3 * hidden])] : []),
        ];
        return { inputs, wiring, attributes: { hidden_size: hidden, direction, ...extra } };
      },
    );

export const RECURRENT: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  GRU: recurrent(3, 1, [{ linear_before_reset: 0 }, { linear_before_reset: 1 }]),
  LSTM: recurrent(4, 2, [{}]),
  RNN: recurrent(1, 1, [{}]),
};
