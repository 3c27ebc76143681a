import { describe, expect, test } from 'vitest';
import type { Tensors } from '../tensors/tensor.ts';
import { decodeModel } from './codec.ts';
import { differentiate } from './differentiate.ts';
import { forward } from './forward.ts';
import type { OptimizerOptions } from './optimizers/registry.ts';
import { bytesOf, distance, open, scalarOf, tensorOf, Trainer, vector } from './runtime.suite.ts';
import type { StoredTensor } from './runtime.suite.ts';

interface ModelVector {
  readonly model: string;
  readonly optimizer: {
    readonly lr: number;
    readonly momentum?: number;
    readonly weight_decay?: number;
    readonly nesterov?: boolean;
  };
  readonly batches: readonly {
    readonly x: StoredTensor;
    readonly y: StoredTensor;
    readonly loss: number;
    readonly correct: number;
  }[];
  readonly weights: Readonly<Record<string, StoredTensor>>;
  readonly ones: StoredTensor;
  readonly logits: StoredTensor;
}

const optimizerOf = ({
  momentum,
  weight_decay,
  nesterov,
}: ModelVector['optimizer']): OptimizerOptions => ({
  name: 'sgd',
  ...(momentum !== undefined && { momentum }),
  ...(weight_decay !== undefined && { weightDecay: weight_decay }),
  ...(nesterov !== undefined && { nesterov }),
});

const programsOf = (of: ModelVector, target: 'wasm' | 'webgpu') => {
  const result = differentiate(bytesOf(of.model), {
    loss: 'softmax-cross-entropy',
    optimizer: optimizerOf(of.optimizer),
    target,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};

const expectWeights = (got: Tensors, expected: ModelVector['weights']): void => {
  for (const [name, stored] of Object.entries(expected)) {
    const { by } = distance(got.get(name), tensorOf(stored));
    expect(by, `${name} is off by ${by}`).toBeLessThanOrEqual(1e-5);
  }
};

describe.each(['mlp', 'plain-sgd', 'lenet', 'zoo'])("PyTorch's %s", (name) => {
  const torch = vector(name) as ModelVector;

  test.each(['wasm', 'webgpu'] as const)('follows the loss curve, %s', async (target) => {
    const { train, parameters } = programsOf(torch, target);
    const trainer = await Trainer.start(train, parameters);
    for (const { x, y, loss, correct } of torch.batches) {
      const step = await trainer.step(tensorOf(x), tensorOf(y), torch.optimizer.lr);
      expect(Math.abs(step.loss - loss) / loss).toBeLessThanOrEqual(1e-4);
      expect(step.correct).toBe(correct);
      expect(step.examples).toBe(x.shape[0]);
    }
    expectWeights(trainer.parameters, torch.weights);
  });

  test('keeps the names of state_dict, in its shapes', () => {
    const { parameters } = programsOf(torch, 'wasm');
    const layout = ([name, { shape }]: [string, { shape: readonly number[] }]) =>
      `${name} [${shape.join()}]`;
    expect([...parameters].map(layout).toSorted()).toEqual(
      Object.entries(torch.weights).map(layout).toSorted(),
    );
  });

  test('gives back a model that plain ONNX Runtime runs', async () => {
    const { predict, evaluate } = programsOf(torch, 'wasm');
    const weights: Tensors = new Map(
      Object.entries(torch.weights).map(([name, stored]) => [name, tensorOf(stored)]),
    );
    const exported = forward(predict, weights);
    if (!exported.ok) throw new Error(JSON.stringify(exported.error));
    const x = tensorOf(torch.ones);
    const out = await (await open(exported.value)).run(new Map([['input', x]]));
    const { by, scale } = distance(out.get('out'), tensorOf(torch.logits));
    expect(by).toBeLessThanOrEqual(1e-5 * scale + 1e-6);

    const { y } = torch.batches[0] ?? {};
    if (y === undefined) throw new Error('no batch');
    const labels = { ...tensorOf(y), shape: [3], data: tensorOf(y).data.slice(0, 3) };
    const judged = await (
      await open(evaluate.model)
    ).run(new Map([...weights, ['input', x], ['y', labels]]));
    const logits = tensorOf(torch.logits);
    const classes = logits.shape[1] ?? 0;
    const rows = [0, 1, 2].map((row) =>
      Array.from(logits.data, Number).slice(row * classes, (row + 1) * classes),
    );
    const losses = rows.map(
      (row, i) =>
        Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) -
        (row[Number(labels.data[i])] ?? NaN),
    );
    expect(scalarOf(judged, 'loss_sum')).toBeCloseTo(
      losses.reduce((a, b) => a + b, 0),
      4,
    );
    expect(scalarOf(judged, 'correct')).toBe(
      rows.filter((row, i) => row.indexOf(Math.max(...row)) === Number(labels.data[i])).length,
    );
    expect(scalarOf(judged, 'examples')).toBe(3);
  });
});

test('parameters that merely start equal are tied by the exporter, and untied here', () => {
  const torch = vector('mlp') as ModelVector;
  const { nodes, initializers } = decodeModel(bytesOf(torch.model));
  const tied = nodes.filter(
    ({ opType, input }) => opType === 'Identity' && initializers.has(input[0] ?? ''),
  );
  expect(tied).toHaveLength(1);
  const { parameters } = programsOf(torch, 'wasm');
  expect(parameters.get('fc1.bias')).toEqual(parameters.get('fc2.bias'));
  expect(parameters.get('fc1.bias')?.data).not.toBe(parameters.get('fc2.bias')?.data);
});
