import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { elementwise } from './elementwise.ts';
import type { CommonOptions, Loss } from './loss.ts';
import { toFloat } from './sums.ts';

export interface BceOptions extends CommonOptions {
  /** Weight of the positive side: one for all, or one for each of the output's last axis. */
  readonly posWeight?: number | readonly number[];
}

/**
 * Binary cross-entropy of logits (torch.nn.BCEWithLogitsLoss), for targets in [0, 1]: (1 - y) z + k softplus(-z) with
 * k = 1 + (posWeight - 1) y; slope (1 - y) - k (1 - sigmoid(z)), which is sigmoid(z) - y without a weight.
 * softplus(-z) = relu(-z) + ln(1 + e^-|z|) never overflows. An element is right where z > 0 as y > 1/2.
 */
export const bceWithLogits = (options: BceOptions): Loss =>
  elementwise(
    options,
    (g, z, y) => {
      const one = g.scalar(1, z);
      const minus = g.op('Neg', [z]);
      const tail = g.op('Log', [
        g.op('Add', [g.op('Exp', [g.op('Neg', [g.op('Abs', [z])])]), one]),
      ]);
      const softplus = g.op('Add', [g.op('Relu', [minus]), tail]);
      const absent = g.op('Sub', [one, y]);
      const k = weightOf(g, z, y, options.posWeight);
      const miss = k === undefined ? softplus : g.op('Mul', [k, softplus]);
      return {
        loss: g.op('Add', [g.op('Mul', [absent, z]), miss]),
        slope:
          k === undefined
            ? g.op('Sub', [g.op('Sigmoid', [z]), y])
            : g.op('Sub', [absent, g.op('Mul', [k, g.op('Sigmoid', [minus])])]),
        correct: toFloat(
          g,
          g.op('Equal', [
            toFloat(g, g.op('Greater', [z, g.scalar(0, z)])),
            toFloat(g, g.op('Greater', [y, g.scalar(0.5, y)])),
          ]),
        ),
      };
    },
    { within: ['Sigmoid'] },
  );

const weightOf = (
  g: Emitter,
  z: string,
  y: string,
  posWeight: BceOptions['posWeight'],
): string | undefined => {
  if (posWeight === undefined) return undefined;
  const weights = typeof posWeight === 'number' ? [posWeight] : posWeight;
  const last = g.types.get(z)?.shape.at(-1);
  if (typeof posWeight !== 'number' && last !== weights.length) {
    refuse({
      reason: 'loss_mismatch',
      expected: `as many posWeights as the output's last axis has elements, ${last}`,
      got: `${weights.length}`,
    });
  }
  if (!weights.every((weight) => Number.isFinite(weight) && weight >= 0)) {
    refuse({
      reason: 'bad_option',
      option: 'loss.posWeight',
      detail: `expected numbers >= 0, got ${weights.join()}`,
    });
  }
  const more = g.constant({
    dtype: 'F32',
    shape: [weights.length],
    data: Float32Array.from(weights, (weight) => weight - 1),
  });
  return g.op('Add', [g.op('Mul', [y, more]), g.scalar(1, y)]);
};
