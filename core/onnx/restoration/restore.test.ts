import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { encodeModel } from '../codec.ts';
import { settle } from '../fault.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { StringStringEntryProtoSchema } from '../proto/onnx_pb.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import { distance, f32, open, seeded } from '../runtime.suite.ts';
import { modelOf, programsOf, stateDictOf, trainingOf } from '../whole-models.suite.ts';
import type { Originals } from './original.ts';
import { restored } from './restore.ts';

const random = (shape: readonly number[], seed: number): Tensor => {
  const rng = seeded(seed);
  return f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng() - 0.5),
  );
};

const zeros = (...shape: number[]): Tensor => f32(shape, new Float32Array(shape[0] ?? 1));

/** x [n, 4] -> ...nodes -> out. */
const graph = (nodes: readonly NodeProto[], more: Partial<Graph>): Graph => ({
  name: 'g',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 4] }],
  outputs: [{ name: 'out', type: { dtype: 'F32', shape: ['n', 4] } }],
  nodes,
  initializers: new Map(),
  constants: new Map(),
  hints: new Map(),
  metadata: new Map(),
  ...more,
});

const named = (node: NodeProto, name: string): NodeProto => {
  node.name = name;
  return node;
};

const scoped = (node: NodeProto, ...modules: string[]): NodeProto => {
  node.metadataProps = [
    create(StringStringEntryProtoSchema, {
      key: 'pkg.torch.onnx.name_scopes',
      value: `[${modules.map((module) => `'${module}'`).join(', ')}]`,
    }),
  ];
  return node;
};

/** Runs both graphs on the same input. */
const expectSame = async (before: Graph, after: Graph): Promise<void> => {
  const feeds = new Map([['x', random([3, 4], 99)]]);
  const [a, b] = [await open(encodeModel(before)), await open(encodeModel(after))];
  const [expected, got] = [(await a.run(feeds)).get('out'), (await b.run(feeds)).get('out')];
  if (expected === undefined) throw new Error('no output');
  expect(distance(got, expected).by).toBeLessThanOrEqual(1e-6);
};

const readBy = (model: Graph, node: string): readonly string[] =>
  model.nodes.find(({ name }) => name === node)?.input ?? [];

/** Two layers whose biases start as zeros, which the exporter made one. */
const merged = (name = (i: number) => `Gemm_${i}`): Graph => {
  const [w1, w2] = [random([4, 4], 1), random([4, 4], 2)];
  return graph(
    [
      named(makeNode('Gemm', ['x', 'a.weight', 'a.bias'], ['h'], { transB: 1 }), name(0)),
      named(makeNode('Gemm', ['h', 'b.weight', 'a.bias'], ['out'], { transB: 1 }), name(1)),
    ],
    {
      initializers: new Map(Object.entries({ 'a.weight': w1, 'b.weight': w2, 'a.bias': zeros(4) })),
    },
  );
};

const dictOf = (model: Graph, more: Readonly<Record<string, Tensor>> = {}): Originals =>
  new Map([...model.initializers, ...Object.entries(more)]);

test.each([
  ['the order of the nodes', merged()],
  ['the paths in their names', merged((i) => (i === 0 ? '/a/Gemm' : '/b/Gemm'))],
])('equal parameters in one tensor come apart by %s', async (_, model) => {
  const after = restored(model, dictOf(model, { 'b.bias': zeros(4) }));
  const [first, second] = after.nodes;
  expect([first?.input[2], second?.input[2]]).toEqual(['a.bias', 'b.bias']);
  expect(after.initializers.get('b.bias')).toEqual(zeros(4));
  expect(after.initializers.get('b.bias')?.data).not.toBe(after.initializers.get('a.bias')?.data);
  await expectSame(model, after);
});

test('the modules that nodes come from win over their order', () => {
  const model = merged();
  const [first, second] = model.nodes;
  if (first === undefined || second === undefined) throw new Error('no nodes');
  scoped(first, '', 'b', 'linear');
  scoped(second, '', 'a', 'linear_1');
  const after = restored(model, dictOf(model, { 'b.bias': zeros(4) }));
  expect([readBy(after, 'Gemm_0')[2], readBy(after, 'Gemm_1')[2]]).toEqual(['b.bias', 'a.bias']);
});

test('a parameter that has one name among the originals stays shared', () => {
  const model = merged();
  const after = restored(model, dictOf(model));
  expect(after.nodes.map(({ input }) => input[2])).toEqual(['a.bias', 'a.bias']);
});

test('what is merged and cannot be told apart is refused, not guessed', () => {
  const model = merged();
  const more = { 'b.bias': zeros(4), 'c.bias': zeros(4), 'd.bias': zeros(4) };
  expect(settle(() => restored(model, dictOf(model, more)))).toMatchObject({
    ok: false,
    error: { reason: 'bad_option', option: 'stateDict' },
  });
});

/** A Linear over sequences as constant folding leaves it. */
const folded = (rows: number): Graph =>
  graph(
    [
      named(makeNode('MatMul', ['x', 'onnx::MatMul_7'], ['h']), '/fc/MatMul'),
      named(makeNode('Add', ['h', 'fc.bias'], ['out']), '/fc/Add'),
    ],
    {
      initializers: new Map([
        ['onnx::MatMul_7', random([4, rows], 3)],
        ['fc.bias', zeros(rows)],
      ]),
    },
  );

describe('a folded transposition', () => {
  const model = folded(3);
  const weight = model.initializers.get('onnx::MatMul_7') ?? zeros(1);
  const data = Float32Array.from({ length: 12 }, (_, i) =>
    Number(weight.data[(i % 4) * 3 + Math.floor(i / 4)]),
  );

  test.each<[string, Originals]>([
    [
      'its value',
      new Map([
        ['fc.weight', f32([3, 4], data)],
        ['fc.bias', zeros(3)],
      ]),
    ],
    [
      'its name and shape alone',
      new Map([
        ['fc.weight', { shape: [3, 4] }],
        ['fc.bias', { shape: [3] }],
      ]),
    ],
  ])('is undone by %s', async (_, originals) => {
    const after = restored(model, originals);
    expect([...after.initializers.keys()]).toEqual(['fc.weight', 'fc.bias']);
    expect(after.initializers.get('fc.weight')).toEqual(f32([3, 4], data));
    await expectSame(
      { ...model, outputs: [{ name: 'out' }] },
      { ...after, outputs: [{ name: 'out' }] },
    );
  });

  test('of a square matrix too', async () => {
    const square = folded(4);
    const after = restored(
      square,
      new Map([
        ['fc.weight', { shape: [4, 4] }],
        ['fc.bias', { shape: [4] }],
      ]),
    );
    expect(after.initializers.get('fc.weight')).not.toEqual(
      square.initializers.get('onnx::MatMul_7'),
    );
    await expectSame(square, after);
  });

  test('of other values is refused, with the flags that keep weights as they are', () => {
    const other: Originals = new Map([
      ['fc.weight', random([3, 4], 8)],
      ['fc.bias', zeros(3)],
    ]);
    expect(settle(() => restored(model, other))).toMatchObject({
      error: { detail: expect.stringContaining('do_constant_folding=False') },
    });
  });
});

test('tensors that no original stands for belong to the computation', async () => {
  const model = graph(
    [makeNode('Mul', ['x', 'scale'], ['h']), makeNode('Add', ['h', 'b'], ['out'])],
    {
      initializers: new Map([
        ['scale', random([4], 5)],
        ['b', zeros(4)],
      ]),
    },
  );
  const after = restored(
    model,
    new Map([
      ['b', zeros(4)],
      ['unused', random([7], 6)],
    ]),
  );
  expect([...after.initializers.keys()]).toEqual(['b']);
  expect([...after.constants.keys()]).toEqual(['scale']);
  await expectSame(model, after);
});

test('a weight in a constant is found by its value; a constant of zeros is no bias', () => {
  const model = graph(
    [makeNode('MatMul', ['x', 'w'], ['h']), makeNode('Max', ['h', 'floor'], ['out'])],
    {
      constants: new Map([
        ['w', random([4, 4], 5)],
        ['floor', zeros(4)],
      ]),
    },
  );
  const after = restored(
    model,
    new Map([
      ['fc.weight', random([4, 4], 5)],
      ['aux.bias', zeros(4)],
    ]),
  );
  expect([...after.initializers.keys()]).toEqual(['fc.weight']);
  expect([...after.constants.keys()]).toEqual(['floor']);
});

test('an original named like an inner value is refused', () => {
  const model = graph([makeNode('MatMul', ['x', 'w'], ['h']), makeNode('Relu', ['h'], ['out'])], {
    initializers: new Map([['w', random([4, 4], 5)]]),
  });
  expect(settle(() => restored(model, new Map([['h', random([4, 4], 5)]])))).toMatchObject({
    error: { reason: 'bad_option' },
  });
});

test("GPT's head and embedding stay one parameter, whichever name the exporter chose", () => {
  const training = trainingOf('gpt');
  const programs = programsOf(modelOf('gpt', 'new'), training, { stateDict: stateDictOf('gpt') });
  const names = [...programs.parameters.keys()];
  expect(names).toContain('wte.weight');
  expect(names).not.toContain('lm_head.weight');
});

test('names and shapes alone restore a default export of nn.TransformerEncoder', () => {
  const training = trainingOf('encoder');
  const originals: Originals = new Map(
    [...stateDictOf('encoder')].map(([name, { shape }]) => [name, { shape }]),
  );
  const { parameters } = programsOf(modelOf('encoder', 'default'), training, {
    stateDict: originals,
  });
  expect(new Map(parameters)).toEqual(stateDictOf('encoder'));
});

test('running statistics come back from a folded BatchNorm', () => {
  const dict = stateDictOf('resnet18');
  const { parameters } = programsOf(modelOf('resnet18', 'default'), trainingOf('resnet18'), {
    stateDict: dict,
  });
  const statistics = [...dict.keys()].filter((name) => /running_(mean|var)$/.test(name));
  expect(statistics).toHaveLength(40);
  for (const name of statistics) expect(parameters.get(name)).toEqual(dict.get(name));
});

test('values of the originals win: an export in training mode moves running statistics', () => {
  const model = merged();
  const moved = f32([4], [1, 2, 3, 4]);
  const { initializers } = restored(model, dictOf(model, { 'a.bias': moved }));
  expect(initializers.get('a.bias')).toEqual(moved);
});
