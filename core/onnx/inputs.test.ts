import { describe, expect, test } from 'vitest';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { decodeModel, encodeModel } from './codec.ts';
import { describeFault } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import { distance, f32, open, scalarOf, Trainer } from './runtime.suite.ts';
import { bytes, chain, faultOf, labels, programsOf, small } from './small-models.suite.ts';

/** x w, masked by m row by row, moved by z. */
const gated = (inputs: readonly Value[], more: Partial<Graph> = {}): Uint8Array =>
  chain(
    [
      ['MatMul', ['x', 'w'], 'a'],
      ['Mul', ['a', 'm'], 'b'],
      ['Add', ['b', 'z'], 'out'],
    ],
    { inputs, ...more },
  );

const x: Value = { name: 'x', dtype: 'F32', shape: ['n', 4] };
const z: Value = { name: 'z', dtype: 'F32', shape: [4] };

describe('a model of several inputs', () => {
  test.each<[string, Value]>([
    ['of one symbol', { name: 'm', dtype: 'F32', shape: ['n', 1] }],
    ['of a symbol each', { name: 'm', dtype: 'F32', shape: ['m', 1] }],
    ['exported with one size', { name: 'm', dtype: 'F32', shape: [2, 1] }],
  ])('batches %s', async (title, m) => {
    const first = title.includes('one size') ? { ...x, shape: [2, 4] } : x;
    const { train, evaluate, predict, parameters } = programsOf(gated([first, m, z]), {
      optimizer: { name: 'sgd' },
    });
    for (const { manifest } of [train, evaluate, predict]) {
      expect(manifest.inputs.x).toEqual({ input: 'x', dtype: 'F32', shape: ['batch', 4] });
      expect(manifest.inputs.more).toEqual([
        { input: 'm', dtype: 'F32', shape: ['batch', 1] },
        { input: 'z', dtype: 'F32', shape: [4] },
      ]);
    }
    const feeds: Tensors = new Map([
      ...parameters,
      ['x', f32([3, 4], [1, 2, 3, 4, 0, -1, 2, 5, 1, 1, 0, 0])],
      ['m', f32([3, 1], [1, 0, 2])],
      ['z', f32([4], [1, 0, 0, -1])],
      ['y', labels(3, 4)],
      ['lr', f32([], [0.1])],
    ]);
    const session = await open(train.model);
    const before = await session.run(feeds);
    const next = before.get('next/w');
    if (next === undefined) throw new Error('no w');
    const after = await session.run(new Map([...feeds, ['w', next]]));
    expect(scalarOf(after, 'loss_sum')).toBeLessThan(scalarOf(before, 'loss_sum'));
    const judged = await (await open(evaluate.model)).run(feeds);
    expect(scalarOf(judged, 'loss_sum')).toBeCloseTo(scalarOf(before, 'loss_sum'), 5);
  });

  test('lists only those that a program reads', () => {
    const [m, unread]: Value[] = [
      { name: 'm', dtype: 'F32', shape: ['n', 1] },
      { name: 'unread', dtype: 'F32', shape: ['n', 7] },
    ];
    if (m === undefined || unread === undefined) throw new Error('two');
    const { predict } = programsOf(gated([x, unread, m, z]));
    expect(predict.manifest.inputs.more?.map(({ input }) => input)).toEqual(['m', 'z']);
    expect(decodeModel(predict.model).inputs.map(({ name }) => name)).toEqual(['w', 'x', 'm', 'z']);
  });
});

describe('a symbolic dimension that must be a number', () => {
  const pooled = chain(
    [
      ['Conv', ['x', 'k'], 'a', { pads: [1, 1, 1, 1] }],
      ['GlobalAveragePool', ['a'], 'b'],
      ['Flatten', ['b'], 'c', { axis: 1 }],
      ['MatMul', ['c', 'w'], 'out'],
    ],
    {
      inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 1, 'height', 6] }],
      initializers: new Map([
        ['k', f32([4, 1, 3, 3], new Float32Array(36).fill(0.1))],
        ['w', f32([4, 3], new Float32Array(12).fill(0.2))],
      ]),
    },
  );

  test('is named, with what needs it; with its size given, the model trains', async () => {
    const fault = faultOf(pooled);
    expect(fault).toMatchObject({ reason: 'symbolic_dimension', dim: 'height' });
    expect(describeFault(fault)).toMatch(/dimension height must be a number, because .*dimensions/);
    const { train, parameters } = programsOf(pooled, { dimensions: { height: 5 } });
    expect(train.manifest.inputs.x.shape).toEqual(['batch', 1, 5, 6]);
    const out = await (
      await open(train.model)
    ).run(
      new Map<string, Tensor>([
        ...parameters,
        ...train.manifest.state.map(({ input, shape }): [string, Tensor] => [
          input,
          f32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1))),
        ]),
        ['x', f32([2, 1, 5, 6], new Float32Array(60).fill(1))],
        ['y', labels(2, 3)],
        ['lr', f32([], [0.1])],
      ]),
    );
    expect(scalarOf(out, 'loss_sum')).toBeCloseTo(2 * Math.log(3), 5);
  });
});

test('gradients: what a plain step of rate 1 takes away; no optimizer, no state', async () => {
  const { train, gradients, parameters } = programsOf(small(), { optimizer: { name: 'sgd' } });
  const { manifest } = gradients;
  expect(manifest).toMatchObject({ kind: 'gradients', state: [] });
  expect(manifest.optimizer).toBeUndefined();
  expect(manifest.inputs.lr).toBeUndefined();
  expect(manifest.metrics).toEqual(train.manifest.metrics);
  const feeds: Tensors = new Map([
    ...parameters,
    ['x', bytes([5, 1, 4, 4], 3)],
    ['y', labels(5, 3)],
    ['lr', f32([], [1])],
  ]);
  const slopes = await (await open(gradients.model)).run(feeds);
  const next = await (await open(train.model)).run(feeds);
  expect(manifest.parameters).toHaveLength(4);
  for (const { name, shape, gradient, output } of manifest.parameters) {
    expect([gradient, output]).toEqual([`gradient/${name}`, undefined]);
    const [before, after] = [parameters.get(name), next.get(`next/${name}`)];
    const expected = Array.from(before?.data as Float32Array, (v, i) => v - Number(after?.data[i]));
    expect(distance(slopes.get(gradient ?? ''), f32(shape, expected)).by).toBeLessThan(1e-6);
  }
  expect(scalarOf(slopes, 'loss_sum')).toBe(scalarOf(next, 'loss_sum'));
});

test('two parameters with one gradient get an output each', async () => {
  const model = decodeModel(chain([['MatMul', ['x', 'w'], 'a']]));
  const twice = encodeModel({
    ...model,
    nodes: [
      ...model.nodes,
      makeNode('Add', ['a', 'p'], ['b']),
      makeNode('Add', ['b', 'q'], ['out']),
    ],
    outputs: [{ name: 'out' }],
    initializers: new Map([
      ...model.initializers,
      ['p', f32([4], [0, 0, 0, 0])],
      ['q', f32([4], [1, 0, 0, 0])],
    ]),
  });
  const { gradients, parameters } = programsOf(twice);
  const out = await (
    await open(gradients.model)
  ).run(new Map([...parameters, ['x', f32([1, 4], [1, 2, 3, 4])], ['y', labels(1, 4)]]));
  expect(out.get('gradient/p')).toEqual(out.get('gradient/q'));
  expect(out.get('gradient/p')?.shape).toEqual([4]);
});

test('a train program knows the weights of outputs that the loss does not judge, too', async () => {
  const model = decodeModel(chain([['MatMul', ['x', 'w'], 'out']]));
  const heads = encodeModel({
    ...model,
    nodes: [...model.nodes, makeNode('MatMul', ['x', 'v'], ['other'])],
    outputs: [{ name: 'out' }, { name: 'other' }],
    initializers: new Map([...model.initializers, ['v', f32([4, 2], [1, 2, 3, 4, 5, 6, 7, 8])]]),
  });
  const { train, evaluate, predict, parameters } = programsOf(heads);
  expect(train.manifest.parameters.map(({ name, role, output }) => [name, role, output])).toEqual([
    ['w', 'trainable', 'next/w'],
    ['v', 'frozen', undefined],
  ]);
  expect(evaluate.manifest.parameters.map(({ name }) => name)).toEqual(['w']);
  expect(predict.manifest.outputs?.map(({ input }) => input)).toEqual(['out', 'other']);
  const trainer = await Trainer.start(train, parameters);
  const { loss } = await trainer.step(f32([1, 4], [1, 2, 3, 4]), labels(1, 4), 0.1);
  expect(Number.isFinite(loss)).toBe(true);
});
