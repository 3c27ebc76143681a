import { describe, expect, test } from 'vitest';
import type { Tensor } from '../tensors/tensor.ts';
import type { Attributes } from './attribute.ts';
import { decodeModel, encodeModel } from './codec.ts';
import { differentiate } from './differentiate.ts';
import type { DifferentiateOptions, Programs } from './differentiate.ts';
import { describeFault } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import { forward } from './forward.ts';
import { makeNode } from './graph.ts';
import type { Graph } from './graph.ts';
import { cnn } from './models/cnn.ts';
import { mlp } from './models/mlp.ts';
import type { Program } from './program.ts';
import { distance, f32, open, scalarOf, seeded, Trainer, zeros } from './runtime.suite.ts';

const OPTIONS: DifferentiateOptions = {
  loss: 'softmax-cross-entropy',
  optimizer: { name: 'sgd', momentum: 0.9 },
};

const small = () => mlp({ inputs: [1, 4, 4], hidden: [6], classes: 3, rng: seeded(1) });
const lenet = () => cnn({ inputs: [1, 16, 16], channels: [2, 3], classes: 3, rng: seeded(1) });

const programsOf = (model: Uint8Array, options: Partial<DifferentiateOptions> = {}): Programs => {
  const result = differentiate(model, { ...OPTIONS, ...options });
  if (!result.ok) throw new Error(describeFault(result.error));
  return result.value;
};

const faultOf = (model: Uint8Array, options: Partial<DifferentiateOptions> = {}): DifferentiateFault => {
  const result = differentiate(model, { ...OPTIONS, ...options });
  if (result.ok) throw new Error('expected a fault');
  expect(describeFault(result.error)).not.toBe('');
  return result.error;
};

const bytes = (shape: readonly number[], seed: number): Tensor => {
  const rng = seeded(seed);
  const data = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.floor(rng() * 256));
  return { dtype: 'U8', shape, data };
};

const labels = (count: number, classes: number): Tensor => ({
  dtype: 'I32',
  shape: [count],
  data: Int32Array.from({ length: count }, (_, i) => i % classes),
});

/** x [batch, 4] -> w -> ...nodes -> `out`. */
const chain = (nodes: readonly (readonly [string, readonly string[], string, Attributes?])[], more: Partial<Graph> = {}): Uint8Array =>
  encodeModel({
    name: 'chain',
    irVersion: 8,
    opsets: new Map([['', 17]]),
    inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 4] }],
    outputs: [{ name: 'out' }],
    nodes: nodes.map(([op, inputs, output, attributes]) => makeNode(op, inputs, [output], attributes)),
    initializers: new Map([['w', f32([4, 4], Array.from({ length: 16 }, (_, i) => i / 16))]]),
    constants: new Map(),
    hints: new Map(),
    metadata: new Map(),
    ...more,
  });

describe('programs', () => {
  test('hold no weights, and say what they take and give', () => {
    const { train, evaluate, predict, parameters } = programsOf(small());
    for (const { model } of [train, evaluate, predict]) expect(decodeModel(model).initializers.size).toBe(0);
    expect([...parameters.keys()]).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
    expect(train.manifest).toMatchObject({
      version: 1,
      kind: 'train',
      inputs: {
        x: { input: 'x', dtype: 'U8', shape: ['batch', 1, 4, 4] },
        y: { input: 'y', dtype: 'I32', shape: ['batch'] },
        lr: { input: 'lr', dtype: 'F32', shape: [] },
      },
      optimizer: { name: 'sgd', momentum: 0.9 },
    });
    expect(train.manifest.parameters[0]).toEqual({
      name: 'fc1.weight',
      dtype: 'F32',
      shape: [6, 16],
      role: 'trainable',
      input: 'fc1.weight',
      output: 'next/fc1.weight',
    });
    expect(train.manifest.state.map(({ name }) => name)).toEqual([...parameters.keys()].map((name) => `momentum/${name}`));
    expect(evaluate.manifest.parameters.every(({ output }) => output === undefined)).toBe(true);
    expect(predict.manifest.outputs).toEqual([{ input: 'logits', dtype: 'F32', shape: ['batch', 3] }]);
    for (const { manifest } of [train, evaluate, predict]) {
      expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
    }
  });

  test('have the inputs and outputs that their manifest names, and carry it', () => {
    const { train, evaluate, predict } = programsOf(lenet());
    for (const { model, manifest } of [train, evaluate, predict]) {
      const graph = decodeModel(model);
      const { x, y, lr } = manifest.inputs;
      const inputs = [...manifest.parameters, ...manifest.state, x, ...(y ? [y] : []), ...(lr ? [lr] : [])];
      expect(graph.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(
        inputs.map(({ input, dtype, shape }) => ({ name: input, dtype, shape })),
      );
      expect(JSON.parse(graph.metadata.get('tributary.manifest') ?? '')).toEqual(manifest);
    }
  });

  test('are the same bytes for the same model and options', () => {
    expect(programsOf(lenet()).train.model).toEqual(programsOf(lenet()).train.model);
  });

  test('are free of operators of our own', () => {
    for (const target of ['wasm', 'portable'] as const) {
      const { nodes } = decodeModel(programsOf(lenet(), { target }).train.model);
      expect(nodes.filter(({ domain }) => domain !== '')).toEqual([]);
    }
  });

  test('compute no gradient of the images', () => {
    const { nodes } = decodeModel(programsOf(lenet()).train.model);
    expect(nodes.filter(({ opType }) => opType === 'ConvTranspose')).toHaveLength(1);
  });

  test('leave no operator in the predict program that the model does not have', () => {
    const kinds = (model: Uint8Array) => decodeModel(model).nodes.map(({ opType, output }) => [opType, output.length]);
    expect(kinds(programsOf(lenet()).predict.model)).toEqual(kinds(lenet()));
  });
});

describe('training', () => {
  const steps = async (train: Program, { parameters }: Programs, sizes: readonly number[]) => {
    const trainer = await Trainer.start(train, parameters);
    const losses: number[] = [];
    for (const [i, size] of sizes.entries()) {
      losses.push((await trainer.step(bytes([size, 1, 16, 16], i), labels(size, 3), 0.05)).loss);
    }
    return { losses, weights: trainer.parameters };
  };

  test('wasm and portable agree, the last batch smaller, down to one example', async () => {
    const [wasm, portable] = [programsOf(lenet()), programsOf(lenet(), { target: 'portable' })];
    const sizes = [8, 8, 5, 1];
    const [a, b] = [await steps(wasm.train, wasm, sizes), await steps(portable.train, portable, sizes)];
    a.losses.forEach((loss, i) => expect(b.losses[i]).toBeCloseTo(loss, 5));
    for (const [name, tensor] of a.weights) expect(distance(b.weights.get(name), tensor).by).toBeLessThan(1e-5);
  });

  test('learns one batch by heart, with the same program as PyTorch would', async () => {
    const programs = programsOf(small());
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const [x, y] = [bytes([6, 1, 4, 4], 3), labels(6, 3)];
    for (let i = 0; i < 60; i++) await trainer.step(x, y, 0.05);
    const last = await trainer.step(x, y, 0.05);
    expect(last.correct).toBe(6);
    expect(last.loss).toBeLessThan(0.05);
    const evaluated = await (await open(programs.evaluate.model)).run(new Map([...trainer.parameters, ['x', x], ['y', y]]));
    expect(scalarOf(evaluated, 'correct')).toBe(6);
  });

  test('freezes what no glob names', async () => {
    const programs = programsOf(small(), { trainable: ['fc2.*'] });
    expect(programs.train.manifest.parameters.map(({ name, role, output }) => [name, role, output])).toEqual([
      ['fc1.weight', 'frozen', undefined],
      ['fc1.bias', 'frozen', undefined],
      ['fc2.weight', 'trainable', 'next/fc2.weight'],
      ['fc2.bias', 'trainable', 'next/fc2.bias'],
    ]);
    expect(programs.train.manifest.state).toHaveLength(2);
    const trainer = await Trainer.start(programs.train, programs.parameters);
    await trainer.step(bytes([4, 1, 4, 4], 1), labels(4, 3), 0.1);
    const moved = (name: string) => distance(trainer.parameters.get(name), programs.parameters.get(name) ?? f32([], [])).by;
    expect([moved('fc1.weight'), moved('fc1.bias')]).toEqual([0, 0]);
    expect(moved('fc2.weight')).toBeGreaterThan(0);
  });

  test('judges what goes into a closing softmax', async () => {
    const bare = programsOf(chain([['MatMul', ['x', 'w'], 'out']]));
    const closed = programsOf(chain([['MatMul', ['x', 'w'], 'z'], ['Softmax', ['z'], 'out']]));
    const x = f32([2, 4], [1, 2, 3, 4, -1, 0, 1, 2]);
    const [a, b] = await Promise.all(
      [bare, closed].map(async ({ train, parameters }) =>
        (await Trainer.start(train, parameters)).step(x, labels(2, 4), 0.1),
      ),
    );
    expect(b).toEqual(a);
    expect(decodeModel(closed.predict.model).nodes.map(({ opType }) => opType)).toEqual(['MatMul', 'Softmax']);
  });

  test('a loss of huge logits stays finite', async () => {
    const programs = programsOf(chain([['MatMul', ['x', 'w'], 'out']]));
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const { loss } = await trainer.step(f32([1, 4], [9e4, 0, 0, 9e4]), labels(1, 4), 0.1);
    expect(Number.isFinite(loss)).toBe(true);
  });

  test('a model that shares one weight twice sums both gradients', async () => {
    const programs = programsOf(chain([['MatMul', ['x', 'w'], 'h'], ['MatMul', ['h', 'w'], 'out']]));
    expect(programs.train.manifest.parameters).toHaveLength(1);
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const x = f32([1, 4], [0.5, -1, 0.25, 1]);
    const [before, w] = [await trainer.step(x, labels(1, 4), 1e-3), trainer.parameters.get('w')];
    const after = await trainer.step(x, labels(1, 4), 0);
    const start = programs.parameters.get('w');
    if (w === undefined || start === undefined) throw new Error('no w');
    // A small step lowers the loss by lr |g|^2, and moved w by lr g.
    const squared = w.data.reduce((sum: number, v, i) => sum + (Number(v) - Number(start.data[i])) ** 2, 0) / 1e-3;
    expect(before.loss - after.loss).toBeCloseTo(squared, 4);
  });
});

describe('faults, before anything runs', () => {
  test('every unregistered operator is named, with its node and the path to the loss', () => {
    const model = chain([
      ['MatMul', ['x', 'w'], 'a'],
      ['Det', ['a'], 'b'],
      ['Tan', ['a'], 'c'],
      ['Add', ['b', 'c'], 'out'],
    ], { outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }] });
    expect(faultOf(model)).toEqual({
      reason: 'blocked_operators',
      operators: [
        { op: 'Det', node: 'b', path: ['b', 'out', 'loss'], why: 'it is not in the gradient registry' },
        { op: 'Tan', node: 'c', path: ['c', 'out', 'loss'], why: 'it is not in the gradient registry' },
      ],
    });
  });

  test('an operator of another domain, too', () => {
    const model = chain([['MatMul', ['x', 'w'], 'a']], {
      opsets: new Map([['', 17], ['com.microsoft', 1]]),
      nodes: [
        makeNode('MatMul', ['x', 'w'], ['a']),
        makeNode('FastGelu', ['a'], ['out'], {}, 'com.microsoft'),
      ],
      outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }],
    });
    expect(faultOf(model)).toMatchObject({ operators: [{ op: 'com.microsoft.FastGelu', path: ['out', 'loss'] }] });
  });

  test('an unregistered operator that no parameter lies behind is nobody’s business', () => {
    const tan = chain([['Tan', ['x'], 'a'], ['MatMul', ['a', 'w'], 'out']], { outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }] });
    // Tan has no shape rule either: what follows can't be inferred, and that is said.
    expect(faultOf(tan)).toEqual({ reason: 'unknown_shape', node: 'out', value: 'a' });
    expect(differentiate(chain([['Floor', ['x'], 'a'], ['MatMul', ['a', 'w'], 'out']]), OPTIONS).ok).toBe(true);
  });

  test('dropout that draws a mask', () => {
    const training = { dtype: 'BOOL', shape: [], data: Uint8Array.of(1) } as const;
    const dropout = (ratio: number) =>
      chain([['MatMul', ['x', 'w'], 'a'], ['Dropout', ['a', 'ratio', 'training'], 'out']], {
        constants: new Map<string, Tensor>([['ratio', f32([], [ratio])], ['training', training]]),
      });
    expect(faultOf(dropout(0.5))).toMatchObject({ reason: 'blocked_operators', operators: [{ op: 'Dropout', path: ['out', 'loss'] }] });
    expect(differentiate(dropout(0), OPTIONS).ok).toBe(true);
  });

  test.each<[string, Uint8Array, Partial<DifferentiateOptions>, Partial<DifferentiateFault>]>([
    ['no model', Uint8Array.of(1, 2, 3), {}, { reason: 'malformed_model' }],
    ['nothing', new Uint8Array(), {}, { reason: 'malformed_model', detail: 'no graph' }],
    ['an old opset', chain([['MatMul', ['x', 'w'], 'out']], { opsets: new Map([['', 12]]) }), {}, { reason: 'unsupported_opset', opset: 12 }],
    ['an input from nowhere', chain([['MatMul', ['x', 'v'], 'out']]), {}, { reason: 'malformed_model' }],
    ['a glob that fits nothing', small(), { trainable: ['fc9.*'] }, { reason: 'bad_option', option: 'trainable' }],
    ['no parameter behind the loss', chain([['Floor', ['w'], 'v'], ['MatMul', ['x', 'v'], 'out']]), {}, { reason: 'nothing_to_train' }],
    ['a fixed batch', chain([['Reshape', ['x', 's'], 'a'], ['MatMul', ['a', 'w'], 'out']], { constants: new Map([['s', { dtype: 'I64', shape: [2], data: BigInt64Array.of(1n, 4n) }]]) }), {}, { reason: 'loss_mismatch' }],
    ['an output of one axis', chain([['MatMul', ['x', 'w'], 'a'], ['ReduceSum', ['a', 'axis'], 'out', { keepdims: 0 }]], { constants: new Map([['axis', { dtype: 'I64', shape: [1], data: BigInt64Array.of(1n) }]]) }), {}, { reason: 'loss_mismatch' }],
    ['negative momentum', small(), { optimizer: { name: 'sgd', momentum: -1 } }, { reason: 'bad_option', option: 'optimizer.momentum' }],
    ['nesterov alone', small(), { optimizer: { name: 'sgd', nesterov: true } }, { reason: 'bad_option', option: 'optimizer.nesterov' }],
    ['two inputs', chain([['Mul', ['x', 'z'], 'a'], ['MatMul', ['a', 'w'], 'out']], { inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 4] }, { name: 'z', dtype: 'F32', shape: ['n', 4] }] }), {}, { reason: 'unsupported_model' }],
  ])('%s', (_, model, options, fault) => {
    expect(faultOf(model, options)).toMatchObject(fault);
  });
});

describe('forward', () => {
  test('writes the weights in; the result differentiates to the same programs again', async () => {
    const programs = programsOf(lenet());
    const exported = forward(programs.predict, programs.parameters);
    if (!exported.ok) throw new Error('refused');
    const x = bytes([2, 1, 16, 16], 5);
    const [a, b] = await Promise.all([exported.value, lenet()].map(async (model) => (await open(model)).run(new Map([['x', x]]))));
    expect(a?.get('logits')?.data).toEqual(b?.get('logits')?.data);
    const again = programsOf(exported.value);
    expect([...again.parameters]).toEqual([...programs.parameters]);
    expect(again.train.manifest).toEqual(programs.train.manifest);
  });

  test('refuses weights that do not fit, by name', () => {
    const { predict, parameters } = programsOf(small());
    const without = new Map([...parameters].filter(([name]) => name !== 'fc1.bias'));
    expect(forward(predict, without)).toEqual({ ok: false, error: { reason: 'missing_parameter', name: 'fc1.bias' } });
    const wrong = new Map(parameters).set('fc1.bias', zeros({ dtype: 'F32', shape: [7] }));
    expect(forward(predict, wrong)).toEqual({
      ok: false,
      error: { reason: 'shape_mismatch', name: 'fc1.bias', expected: 'F32 [6]', got: 'F32 [7]' },
    });
  });
});
