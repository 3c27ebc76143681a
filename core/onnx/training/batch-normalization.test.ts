import { describe, expect, test } from 'vitest';
import type { Tensors } from '../../tensors/tensor.ts';
import { decodeModel, encodeModel } from '../codec.ts';
import { differentiate } from '../differentiate.ts';
import type { DifferentiateOptions } from '../differentiate.ts';
import { forward } from '../forward.ts';
import { makeNode } from '../graph.ts';
import { bytesOf, distance, f32, open, tensorOf, Trainer, vector } from '../runtime.suite.ts';
import type { StoredTensor } from '../runtime.suite.ts';
import { chain, labels, programsOf } from '../small-models.suite.ts';

interface Vector {
  readonly exports: { readonly evaluation: string; readonly training: string };
  readonly optimizer: { readonly lr: number; readonly momentum: number };
  readonly batches: readonly {
    readonly x: StoredTensor;
    readonly y: StoredTensor;
    readonly loss: number;
  }[];
  readonly weights: Readonly<Record<string, StoredTensor>>;
  readonly x: StoredTensor;
  readonly logits: StoredTensor;
}

const torch = vector('batch-norm') as Vector;
const { lr, momentum } = torch.optimizer;

const programs = (from: keyof Vector['exports'], more: Partial<DifferentiateOptions> = {}) => {
  const made = differentiate(bytesOf(torch.exports[from]), {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'sgd', momentum },
    ...more,
  });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
};

describe.each(['evaluation', 'training'] as const)('PyTorch, exported in %s mode', (from) => {
  test.each(['wasm', 'webgpu'] as const)(
    'losses, weights and running statistics, %s',
    async (target) => {
      const { train, predict } = programs(from, { target });
      // The exporter runs a model in training mode once, which moves its statistics.
      const { parameters } = programs('evaluation');
      const trainer = await Trainer.start(train, parameters);
      for (const { x, y, loss } of torch.batches) {
        const step = await trainer.step(tensorOf(x), tensorOf(y), lr);
        expect(Math.abs(step.loss - loss) / loss).toBeLessThanOrEqual(1e-4);
      }
      for (const [name, stored] of Object.entries(torch.weights)) {
        const { by, scale } = distance(trainer.parameters.get(name), tensorOf(stored));
        expect(by, `${name} is off by ${by}`).toBeLessThanOrEqual(1e-4 * scale + 1e-5);
      }
      const exported = forward(predict, trainer.parameters);
      if (!exported.ok) throw new Error(JSON.stringify(exported.error));
      const out = await (await open(exported.value)).run(new Map([['input', tensorOf(torch.x)]]));
      expect(distance(out.get('out'), tensorOf(torch.logits)).by).toBeLessThanOrEqual(1e-3);
    },
  );

  test('running statistics are buffers: given back by a step, read by the others, never learned', () => {
    const { train, gradients, evaluate, predict } = programs(from);
    const statistics = Object.keys(torch.weights).filter((name) => name.includes('running'));
    expect(statistics).toHaveLength(6);
    for (const { manifest } of [train, gradients, evaluate, predict]) {
      const buffers = manifest.parameters.filter(({ role }) => role === 'buffer');
      expect(buffers.map(({ name }) => name)).toEqual(statistics);
      const given = manifest.kind === 'train' || manifest.kind === 'gradients';
      for (const { name, output } of buffers)
        expect(output).toBe(given ? `next/${name}` : undefined);
    }
    expect(train.manifest.state.filter(({ name }) => name.includes('running'))).toEqual([]);
  });

  test('evaluate and predict use the running statistics', () => {
    for (const { model } of [programs(from).evaluate, programs(from).predict]) {
      const norms = decodeModel(model).nodes.filter((n) => n.opType === 'BatchNormalization');
      expect(norms).toHaveLength(4);
      for (const { attribute, output } of norms) {
        expect(attribute.map(({ name }) => name)).not.toContain('training_mode');
        expect(output).toHaveLength(1);
      }
    }
  });
});

test('only the runtime’s inference form is asked of it, and no operator of our own', () => {
  const { nodes } = decodeModel(programs('training').train.model);
  expect(nodes.filter(({ domain }) => domain !== '')).toEqual([]);
  for (const { attribute } of nodes.filter((n) => n.opType === 'BatchNormalization')) {
    expect(attribute.map(({ name }) => name)).toEqual(['epsilon']);
  }
});

const normalised = (more: Partial<DifferentiateOptions> = {}) => {
  const model = decodeModel(chain([['MatMul', ['x', 'w'], 'a']]));
  const four = (value: number) => f32([4], [value, value, value, value]);
  return programsOf(
    encodeModel({
      ...model,
      nodes: [
        ...model.nodes,
        makeNode('BatchNormalization', ['a', 'scale', 'bias', 'mean', 'variance'], ['out']),
      ],
      outputs: [{ name: 'out' }],
      initializers: new Map([
        ...model.initializers,
        ['scale', four(1)],
        ['bias', four(0)],
        ['mean', four(0.5)],
        ['variance', four(2)],
      ]),
    }),
    more,
  );
};

test('a single example: finite, and the running variance stays', async () => {
  const { train, parameters } = normalised();
  const trainer = await Trainer.start(train, parameters);
  const { loss } = await trainer.step(f32([1, 4], [1, 2, 3, 4]), labels(1, 4), 0.1);
  expect(loss).toBeCloseTo(Math.log(4), 6); // every channel is its own mean
  expect(trainer.parameters.get('variance')?.data).toEqual(parameters.get('variance')?.data);
  expect(trainer.parameters.get('mean')?.data[0]).not.toBe(0.5);
  expect(Array.from(trainer.parameters.get('w')?.data as Float32Array).every(Number.isFinite)).toBe(
    true,
  );
});

test('a layer whose statistics no glob names stays as it infers', async () => {
  const { train, parameters, evaluate } = normalised({ buffers: [], trainable: ['bias'] });
  expect(train.manifest.parameters.map(({ name, role }) => [name, role])).toEqual([
    ['w', 'frozen'],
    ['scale', 'frozen'],
    ['bias', 'trainable'],
    ['mean', 'frozen'],
    ['variance', 'frozen'],
  ]);
  const x = f32([3, 4], [1, 2, 3, 4, 0, -1, 2, 5, 1, 1, 0, 0]);
  const trainer = await Trainer.start(train, parameters);
  const { loss } = await trainer.step(x, labels(3, 4), 0);
  const feeds: Tensors = new Map([...parameters, ['x', x], ['y', labels(3, 4)]]);
  const judged = await (await open(evaluate.model)).run(feeds);
  expect(Number(judged.get('loss_sum')?.data[0]) / 3).toBeCloseTo(loss, 5);
});
