import { expect, test } from 'vitest';
import { decodeModel } from '../codec.ts';
import { differentiate } from '../differentiate.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { mlp } from '../models/mlp.ts';
import { distance, f32, open, seeded } from '../runtime.suite.ts';
import { vjp } from '../vjp.suite.ts';
import { TARGETS } from './rule.ts';
import type { Target } from './rule.ts';

/** A graph of one node, its inputs named and shaped. */
const one = (
  op: string,
  inputs: Readonly<Record<string, readonly (number | string)[]>>,
  attributes = {},
): Graph => ({
  name: op,
  irVersion: 8,
  opsets: new Map([['', 17]]),
  inputs: Object.entries(inputs).map(([name, shape]) => ({ name, dtype: 'F32', shape })),
  outputs: [{ name: 'out' }],
  nodes: [makeNode(op, Object.keys(inputs), ['out'], attributes)],
  initializers: new Map(),
  constants: new Map(),
  hints: new Map(),
  metadata: new Map(),
});

const operators = (model: Uint8Array): string[] => decodeModel(model).nodes.map((n) => n.opType);

test.each(TARGETS)('of equal maxima the first takes the gradient, %s', async (target) => {
  const pool = one('MaxPool', { x: ['batch', 1, 4, 4] }, { kernel_shape: [2, 2], strides: [2, 2] });
  const { model, grads } = vjp(pool, ['x'], target);
  const x = f32([1, 1, 4, 4], [1, 1, 0, 2, 1, 1, 2, 2, 0, 0, 5, 4, 0, 0, 5, 5]);
  const session = await open(model);
  const out = await session.run(
    new Map([
      ['x', x],
      ['dy', f32([1, 1, 2, 2], [1, 2, 3, 4])],
    ]),
  );
  expect([...((out.get(grads.get('x') ?? '')?.data ?? []) as Float32Array)]).toEqual([
    1, 0, 0, 2, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0,
  ]);
  await session.release();
});

test.each(['Conv', 'ConvTranspose'])(
  'a %s of few cells takes its examples side by side, and gives the same',
  async (op) => {
    const rng = seeded(3);
    const random = (...shape: number[]) =>
      f32(
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng() - 0.5),
      );
    const small = one(
      op,
      { x: ['batch', 3, 2, 2], w: [3, 3, 3, 3] },
      { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    );
    const run = async (target: Target) => {
      const { model, y } = vjp(small, ['x', 'w'], target);
      const session = await open(model);
      const values = await session.run(inputs);
      await session.release();
      return { y: values.get(y), operators: operators(model) };
    };
    const inputs = new Map([
      ['x', random(5, 3, 2, 2)],
      ['w', random(3, 3, 3, 3)],
      ['dy', random(5, 3, 2, 2)],
    ]);
    const [wasm, plain] = [await run('wasm'), await run('webgpu')];
    expect(wasm.operators).toContain('Squeeze');
    expect(plain.operators).not.toContain('Squeeze');
    if (plain.y === undefined) throw new Error('no output');
    const { by, scale } = distance(wasm.y, plain.y);
    expect(by).toBeLessThanOrEqual(1e-6 * scale);
  },
);

test.each([0, 0.9])('updates begin in the products of their gradients, momentum %f', (momentum) => {
  const model = mlp({ inputs: [1, 28, 28], hidden: [128], classes: 10, rng: seeded(1) });
  const made = differentiate(model, {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'sgd', momentum },
  });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  const { nodes } = decodeModel(made.value.train.model);
  const weights = momentum === 0 ? ['fc1.weight', 'fc2.weight'] : ['momentum/fc1.weight'];
  for (const weight of weights) {
    const readers = nodes.filter((node) => node.input.includes(weight));
    expect(readers.map(({ opType, input }) => [opType, input.indexOf(weight)])).toContainEqual([
      'Gemm',
      2,
    ]);
  }
  // The program of gradients alone still has them.
  expect(operators(made.value.gradients.model).filter((op) => op === 'Gemm')).toHaveLength(5);
});
