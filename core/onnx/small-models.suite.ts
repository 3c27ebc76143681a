/** Small models, and shorthands for differentiating them, for this room's tests. */
import { expect } from 'vitest';
import type { Tensor } from '../tensors/tensor.ts';
import type { Attributes } from './attribute.ts';
import { encodeModel } from './codec.ts';
import { differentiate } from './differentiate.ts';
import type { DifferentiateOptions, Programs } from './differentiate.ts';
import { describeFault } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph } from './graph.ts';
import { cnn } from './models/cnn.ts';
import { mlp } from './models/mlp.ts';
import { f32, seeded } from './runtime.suite.ts';

export const OPTIONS: DifferentiateOptions = {
  loss: 'softmax-cross-entropy',
  optimizer: { name: 'sgd', momentum: 0.9 },
};

export const small = () => mlp({ inputs: [1, 4, 4], hidden: [6], classes: 3, rng: seeded(1) });
export const lenet = () =>
  cnn({ inputs: [1, 16, 16], channels: [2, 3], classes: 3, rng: seeded(1) });

export const programsOf = (
  model: Uint8Array,
  options: Partial<DifferentiateOptions> = {},
): Programs => {
  const result = differentiate(model, { ...OPTIONS, ...options });
  if (!result.ok) throw new Error(describeFault(result.error));
  return result.value;
};

export const faultOf = (
  model: Uint8Array,
  options: Partial<DifferentiateOptions> = {},
): DifferentiateFault => {
  const result = differentiate(model, { ...OPTIONS, ...options });
  if (result.ok) throw new Error('expected a fault');
  expect(describeFault(result.error)).not.toBe('');
  return result.error;
};

export const bytes = (shape: readonly number[], seed: number): Tensor => {
  const rng = seeded(seed);
  const data = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
    Math.floor(rng() * 256),
  );
  return { dtype: 'U8', shape, data };
};

export const labels = (count: number, classes: number): Tensor => ({
  dtype: 'I32',
  shape: [count],
  data: Int32Array.from({ length: count }, (_, i) => i % classes),
});

/** x [batch, 4] -> w -> ...nodes -> `out`. */
export const chain = (
  nodes: readonly (readonly [string, readonly string[], string, Attributes?])[],
  more: Partial<Graph> = {},
): Uint8Array =>
  encodeModel({
    name: 'chain',
    irVersion: 8,
    opsets: new Map([['', 17]]),
    inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 4] }],
    outputs: [{ name: 'out' }],
    nodes: nodes.map(([op, inputs, output, attributes]) =>
      makeNode(op, inputs, [output], attributes),
    ),
    initializers: new Map([
      [
        'w',
        f32(
          [4, 4],
          Array.from({ length: 16 }, (_, i) => i / 16),
        ),
      ],
    ]),
    constants: new Map(),
    hints: new Map(),
    metadata: new Map(),
    ...more,
  });
