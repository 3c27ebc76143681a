import { describe, expect, test } from 'vitest';
import type { Tensors } from '../../tensors/tensor.ts';
import { decodeModel } from '../codec.ts';
import { differentiate } from '../differentiate.ts';
import type { DifferentiateOptions } from '../differentiate.ts';
import { forward } from '../forward.ts';
import type { Program } from '../program.ts';
import {
  bytesOf,
  distance,
  f32,
  open,
  scalarOf,
  seeded,
  tensorOf,
  Trainer,
  vector,
} from '../runtime.suite.ts';
import type { StoredTensor } from '../runtime.suite.ts';
import { bytes, chain, faultOf, labels, lenet, programsOf, small } from '../small-models.suite.ts';

interface Vector {
  readonly model: string;
  readonly rank: number;
  readonly alpha: number;
  readonly lr: number;
  readonly first: Readonly<Record<string, StoredTensor>>;
  readonly batches: readonly {
    readonly x: StoredTensor;
    readonly y: StoredTensor;
    readonly loss: number;
  }[];
  readonly adapters: Readonly<Record<string, StoredTensor>>;
  readonly merged: Readonly<Record<string, StoredTensor>>;
  readonly x: StoredTensor;
  readonly logits: StoredTensor;
}

const torch = vector('lora') as Vector;

const programs = (more: Partial<DifferentiateOptions> = {}) => {
  const made = differentiate(bytesOf(torch.model), {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'sgd', momentum: 0.9 },
    lora: { rank: torch.rank, alpha: torch.alpha, targets: ['*'], rng: seeded(1) },
    ...more,
  });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
};

const valuesOf = (stored: Readonly<Record<string, StoredTensor>>): Tensors =>
  new Map(Object.entries(stored).map(([name, tensor]) => [name, tensorOf(tensor)]));

const weightsIn = (model: Uint8Array): Tensors => decodeModel(model).initializers;

describe('PyTorch', () => {
  test.each(['wasm', 'webgpu'] as const)('losses and adapters, %s', async (target) => {
    const { train, parameters } = programs({ target });
    const trainer = await Trainer.start(train, new Map([...parameters, ...valuesOf(torch.first)]));
    for (const { x, y, loss } of torch.batches) {
      const step = await trainer.step(tensorOf(x), tensorOf(y), torch.lr);
      expect(Math.abs(step.loss - loss) / loss).toBeLessThanOrEqual(1e-5);
    }
    for (const [name, stored] of Object.entries(torch.adapters)) {
      expect(distance(trainer.parameters.get(name), tensorOf(stored)).by, name).toBeLessThan(1e-5);
    }
  });

  test('merges into the weights of the model as it was exported', async () => {
    const { predict, evaluate } = programs();
    const adapters = valuesOf(torch.adapters);
    const [merged, apart] = [
      forward(predict, adapters),
      forward(predict, adapters, { merge: false }),
    ];
    if (!merged.ok || !apart.ok) throw new Error('refused');
    const kinds = (model: Uint8Array) => decodeModel(model).nodes.map(({ opType }) => opType);
    expect(kinds(merged.value)).toEqual(kinds(bytesOf(torch.model)));
    const weights = weightsIn(merged.value);
    expect([...weights.keys()].toSorted()).toEqual(
      [...weightsIn(bytesOf(torch.model)).keys()].toSorted(),
    );
    for (const [name, stored] of Object.entries(torch.merged)) {
      expect(distance(weights.get(name), tensorOf(stored)).by, name).toBeLessThan(1e-6);
    }
    for (const model of [merged.value, apart.value]) {
      const out = await (await open(model)).run(new Map([['input', tensorOf(torch.x)]]));
      expect(distance(out.get('out'), tensorOf(torch.logits)).by).toBeLessThan(1e-5);
    }
    const judged = await (
      await open(evaluate.model)
    ).run(new Map([...adapters, ['input', tensorOf(torch.x)], ['y', labels(3, 3)]]));
    expect(scalarOf(judged, 'examples')).toBe(3);
  });
});

test('only adapters travel: they alone are parameters, of every program; the rest is inside', () => {
  const { train, gradients, evaluate, predict, parameters } = programs();
  const names = Object.keys(torch.adapters).toSorted();
  expect([...parameters.keys()].toSorted()).toEqual(names);
  for (const { manifest, model } of [train, gradients, evaluate, predict] satisfies Program[]) {
    expect(manifest.parameters.map(({ name }) => name).toSorted()).toEqual(names);
    expect(new Set(manifest.parameters.map(({ role }) => role))).toEqual(new Set(['trainable']));
    expect(weightsIn(model).get('conv.weight')).toEqual(
      weightsIn(bytesOf(torch.model)).get('conv.weight'),
    );
    expect(manifest.adapters?.map(({ weight, scale }) => [weight, scale])).toContainEqual([
      'project.weight',
      3,
    ]);
  }
  for (const { name, dtype, shape } of train.manifest.parameters) {
    const { dtype: own, shape: of } = tensorOf(
      torch.adapters[name] ?? { dtype: 'F32', shape: [], data: '' },
    );
    expect([name, dtype, shape]).toEqual([name, own, of]);
  }
});

test('no gradient of a whole weight is computed', () => {
  const { parameters: specs } = programs().gradients.manifest;
  expect(specs.every(({ gradient }) => gradient !== undefined)).toBe(true);
  const { train } = programs({ lora: { rank: 1, targets: ['head.*'], rng: seeded(1) } });
  expect(decodeModel(train.model).nodes.some(({ opType }) => opType === 'ConvTranspose')).toBe(
    false,
  );
});

test('starts as the model was, and the same for the same seed', async () => {
  const options = (seed: number, init?: 'gaussian') => ({
    lora: { rank: 2, targets: ['*'], rng: seeded(seed), ...(init && { init }) },
  });
  const [a, b, c] = [options(3), options(3), options(4)].map((more) => programsOf(lenet(), more));
  expect(a?.parameters).toEqual(b?.parameters);
  expect(a?.train.model).toEqual(c?.train.model);
  expect(a?.parameters).not.toEqual(c?.parameters);
  const x = bytes([2, 1, 16, 16], 5);
  const plain = await (await open(lenet())).run(new Map([['x', x]]));
  for (const made of [a, programsOf(lenet(), options(5, 'gaussian'))]) {
    if (made === undefined) throw new Error('none');
    const out = await (await open(made.predict.model)).run(new Map([...made.parameters, ['x', x]]));
    expect(out.get('logits')).toEqual(plain.get('logits'));
  }
});

test.each(['kaiming', 'gaussian'] as const)('A starts %s, in its spread', (init) => {
  const model = chain([['MatMul', ['x', 'w'], 'out']], {
    inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 1024] }],
    initializers: new Map([['w', f32([1024, 2], new Float32Array(2048))]]),
  });
  const { parameters } = programsOf(model, {
    lora: { rank: 8, targets: ['w'], init, rng: seeded(2) },
  });
  const a = Array.from(parameters.get('w.lora_A.weight')?.data as Float32Array);
  const deviation = Math.sqrt(a.reduce((sum, v) => sum + v * v, 0) / a.length);
  expect(deviation).toBeCloseTo(init === 'kaiming' ? 1 / 32 / Math.sqrt(3) : 1 / 8, 2);
  if (init === 'kaiming') expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(1 / 32);
});

test('other weights may learn beside the adapters, and travel then', async () => {
  const more = {
    lora: { rank: 1, targets: ['fc1.*'], rng: seeded(1) },
    trainable: ['fc2.bias'],
  };
  const { train, parameters } = programsOf(small(), more);
  expect([...parameters.keys()]).toEqual(['fc2.bias', 'fc1.lora_A.weight', 'fc1.lora_B.weight']);
  const trainer = await Trainer.start(train, parameters);
  const [x, y] = [bytes([6, 1, 4, 4], 3), labels(6, 3)];
  const first = await trainer.step(x, y, 0.1);
  for (let i = 0; i < 40; i++) await trainer.step(x, y, 0.1);
  expect((await trainer.step(x, y, 0)).loss).toBeLessThan(first.loss / 2);
  // Outside: the frozen weights come as parameters, and the merge takes them from there.
  const outside = programsOf(small(), { ...more, frozen: 'input' });
  expect(outside.parameters.get('fc1.weight')).toBeDefined();
  const merged = forward(outside.predict, new Map([...outside.parameters, ...trainer.parameters]));
  const inside = forward(programsOf(small(), more).predict, trainer.parameters);
  if (!merged.ok || !inside.ok) throw new Error('refused');
  expect(weightsIn(merged.value).get('fc1.weight')).toEqual(
    weightsIn(inside.value).get('fc1.weight'),
  );
});

test('refuses, with the reason', () => {
  const lora = (targets: readonly string[], rank = 1) => ({
    lora: { rank, targets, rng: seeded(1) },
  });
  expect(faultOf(small(), lora(['fc1.bias']))).toEqual({
    reason: 'bad_option',
    option: 'lora.targets',
    detail: expect.stringContaining('fc1.bias: F32, read by Gemm'),
  });
  expect(faultOf(small(), lora(['nothing']))).toMatchObject({ option: 'lora.targets' });
  expect(faultOf(small(), lora(['*'], 0))).toMatchObject({ option: 'lora.rank' });
  expect(faultOf(small(), { ...lora(['fc1.*']), trainable: ['fc1.weight'] })).toMatchObject({
    option: 'trainable',
  });
  // Read as a matrix and as a summand: an adapter would change both.
  const tied = chain([
    ['MatMul', ['x', 'w'], 'h'],
    ['ReduceSum', ['w'], 's', { keepdims: 0 }],
    ['Add', ['h', 's'], 'out'],
  ]);
  expect(faultOf(tied, lora(['w']))).toMatchObject({
    option: 'lora.targets',
    detail: expect.stringContaining('ReduceSum'),
  });
});
