import { describe, expect, test } from 'vitest';
import { decodeModel } from './codec.ts';
import { forward } from './forward.ts';
import { open, zeros } from './runtime.suite.ts';
import { bytes, lenet, programsOf, small } from './small-models.suite.ts';

describe('programs', () => {
  test('hold no weights, and say what they take and give', () => {
    const { train, evaluate, predict, parameters } = programsOf(small());
    for (const { model } of [train, evaluate, predict])
      expect(decodeModel(model).initializers.size).toBe(0);
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
    expect(train.manifest.state.map(({ name }) => name)).toEqual(
      [...parameters.keys()].map((name) => `momentum/${name}`),
    );
    expect(evaluate.manifest.parameters.every(({ output }) => output === undefined)).toBe(true);
    expect(predict.manifest.outputs).toEqual([
      { input: 'logits', dtype: 'F32', shape: ['batch', 3] },
    ]);
    for (const { manifest } of [train, evaluate, predict]) {
      expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
    }
  });

  test('have the inputs and outputs that their manifest names, and carry it', () => {
    const { train, evaluate, predict } = programsOf(lenet());
    for (const { model, manifest } of [train, evaluate, predict]) {
      const graph = decodeModel(model);
      const { x, y, lr } = manifest.inputs;
      const inputs = [
        ...manifest.parameters,
        ...manifest.state,
        x,
        ...(y ? [y] : []),
        ...(lr ? [lr] : []),
      ];
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
    for (const target of ['wasm', 'webgpu'] as const) {
      const { nodes } = decodeModel(programsOf(lenet(), { target }).train.model);
      expect(nodes.filter(({ domain }) => domain !== '')).toEqual([]);
    }
  });

  test('compute no gradient of the images', () => {
    const { nodes } = decodeModel(programsOf(lenet()).train.model);
    expect(nodes.filter(({ opType }) => opType === 'ConvTranspose')).toHaveLength(1);
  });

  test('may hold the frozen weights', async () => {
    const inside = programsOf(small(), { trainable: ['fc2.*'], frozen: 'inside' });
    const { train, predict, parameters } = inside;
    expect([...parameters.keys()]).toEqual(['fc2.weight', 'fc2.bias']);
    expect(train.manifest.parameters.map(({ name }) => name)).toEqual([...parameters.keys()]);
    expect([...decodeModel(train.model).initializers.keys()]).toEqual(['fc1.weight', 'fc1.bias']);
    const exported = forward(predict, parameters);
    if (!exported.ok) throw new Error('refused');
    const x = bytes([2, 1, 4, 4], 5);
    const a = await (await open(exported.value)).run(new Map([['x', x]]));
    const b = await (await open(small())).run(new Map([['x', x]]));
    expect(a.get('logits')?.data).toEqual(b.get('logits')?.data);
  });

  test('leave no operator in the predict program that the model does not have', () => {
    const kinds = (model: Uint8Array) =>
      decodeModel(model).nodes.map(({ opType, output }) => [opType, output.length]);
    expect(kinds(programsOf(lenet()).predict.model)).toEqual(kinds(lenet()));
  });
});

describe('forward', () => {
  test('writes the weights in; the result differentiates to the same programs again', async () => {
    const programs = programsOf(lenet());
    const exported = forward(programs.predict, programs.parameters);
    if (!exported.ok) throw new Error('refused');
    const x = bytes([2, 1, 16, 16], 5);
    const [a, b] = await Promise.all(
      [exported.value, lenet()].map(async (model) => (await open(model)).run(new Map([['x', x]]))),
    );
    expect(a?.get('logits')?.data).toEqual(b?.get('logits')?.data);
    const again = programsOf(exported.value);
    expect([...again.parameters]).toEqual([...programs.parameters]);
    expect(again.train.manifest).toEqual(programs.train.manifest);
  });

  test('refuses weights that do not fit, by name', () => {
    const { predict, parameters } = programsOf(small());
    const without = new Map([...parameters].filter(([name]) => name !== 'fc1.bias'));
    expect(forward(predict, without)).toEqual({
      ok: false,
      error: { reason: 'missing_parameter', name: 'fc1.bias' },
    });
    const wrong = new Map(parameters).set('fc1.bias', zeros({ dtype: 'F32', shape: [7] }));
    expect(forward(predict, wrong)).toEqual({
      ok: false,
      error: { reason: 'shape_mismatch', name: 'fc1.bias', expected: 'F32 [6]', got: 'F32 [7]' },
    });
  });
});
