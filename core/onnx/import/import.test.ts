import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { toAttributeProtos } from '../attribute.ts';
import { decodeModel, encodeModel, readModel } from '../codec.ts';
import { settle } from '../fault.ts';
import { makeNode, pruned } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { AttributeProtoSchema, ModelProtoSchema, TensorProtoSchema } from '../proto/onnx_pb.ts';
import type { ModelProto } from '../proto/onnx_pb.ts';
import { f32, open } from '../runtime.suite.ts';
import { withConstantWeights } from './constant-weights.ts';
import { withFoldedConstants } from './constants.ts';
import { withFixedInputs } from './fixed-inputs.ts';
import { withoutShared } from './identities.ts';
import { withoutSequences } from './sequences.ts';

type Init = Parameters<typeof create<typeof ModelProtoSchema>>[1];

const model = (init: Init): ModelProto =>
  create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ version: 17n }], ...init });

/** One tensor `w` of two elements, in a file beside the model. */
const beside = (entries: Record<string, string>): Uint8Array =>
  toBinary(
    ModelProtoSchema,
    model({
      graph: {
        initializer: [
          create(TensorProtoSchema, {
            name: 'w',
            dataType: 1,
            dims: [2n],
            dataLocation: 1,
            externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
          }),
        ],
      },
    }),
  );

const file = new Uint8Array(Float32Array.of(9, 1, 2, 9).buffer);

test.each([
  ['a map of files', new Map([['w.bin', file]])],
  [
    'a reader',
    (name: string, offset: number, length: number | undefined) =>
      name === 'w.bin' ? file.slice(offset, offset + (length ?? 0)) : undefined,
  ],
])('reads external data from %s', (_, files) => {
  const bytes = beside({ location: 'w.bin', offset: '4', length: '8' });
  expect(decodeModel(bytes, files).initializers.get('w')).toEqual(f32([2], [1, 2]));
});

test.each([
  ['a missing file', { location: 'v.bin' }, 'unsupported_model'],
  ['a path out of the folder', { location: '../w.bin' }, 'malformed_model'],
  ['an absolute path', { location: '/etc/passwd' }, 'malformed_model'],
  ['no path', {}, 'malformed_model'],
  ['a negative offset', { location: 'w.bin', offset: '-4' }, 'malformed_model'],
  ['too short a file', { location: 'w.bin', offset: '12', length: '8' }, 'malformed_model'],
])('refuses external data in %s', (_, entries, reason) => {
  const read = readModel(beside(entries), new Map([['w.bin', file]]));
  expect(read).toMatchObject({ ok: false, error: { reason } });
});

/** out = Twice(LeakyTwice(x)), where the inner function takes its slope from the caller. */
const functions = (): ModelProto =>
  model({
    opsetImport: [{ version: 17n }, { domain: 'f', version: 1n }],
    functions: [
      {
        name: 'Leaky',
        domain: 'f',
        input: ['a'],
        output: ['b'],
        attribute: ['slope'],
        opsetImport: [{ version: 17n }],
        node: [makeNode('LeakyRelu', ['a'], ['b'])],
      },
      {
        name: 'LeakyTwice',
        domain: 'f',
        input: ['a'],
        output: ['c'],
        opsetImport: [{ version: 17n }, { domain: 'f', version: 1n }],
        node: [
          makeNode('Leaky', ['a'], ['b'], { slope: { float: 0.5 } }, 'f'),
          makeNode('Leaky', ['b'], ['c'], { slope: { float: 0.25 } }, 'f'),
        ],
      },
    ],
    graph: {
      name: 'g',
      input: [
        {
          name: 'x',
          type: {
            value: { case: 'tensorType', value: { elemType: 1, shape: { dim: [{}] } } },
          },
        },
      ],
      output: [{ name: 'out' }],
      node: [
        makeNode('LeakyTwice', ['x'], ['b'], {}, 'f'),
        makeNode('LeakyTwice', ['b'], ['out'], {}, 'f'),
      ],
    },
  });

test('inlines functions within functions, with their attributes and names of their own', async () => {
  const nested = functions();
  const leaky = nested.functions[0]?.node[0];
  if (leaky === undefined) throw new Error('no node');
  leaky.attribute = [
    create(AttributeProtoSchema, { name: 'alpha', type: 1, refAttrName: 'slope' }),
  ];
  const graph = decodeModel(toBinary(ModelProtoSchema, nested));
  expect(graph.nodes.map(({ opType }) => opType)).toEqual(Array(4).fill('LeakyRelu'));
  expect(new Set(graph.nodes.flatMap(({ output }) => output)).size).toBe(4);
  const session = await open(encodeModel(graph));
  const out = await session.run(new Map([['x', f32([2], [3, -64])]]));
  expect(out.get('out')).toEqual(f32([2], [3, -1]));
});

test('refuses a function that calls itself, and one of another opset', () => {
  const circular = functions();
  circular.functions[0]?.node.push(makeNode('LeakyTwice', ['b'], ['d'], {}, 'f'));
  expect(readModel(toBinary(ModelProtoSchema, circular))).toMatchObject({
    error: { reason: 'malformed_model' },
  });
  const other = functions();
  const [imported] = other.functions[0]?.opsetImport ?? [];
  if (imported !== undefined) imported.version = 18n;
  expect(readModel(toBinary(ModelProtoSchema, other))).toMatchObject({
    error: { reason: 'unsupported_model' },
  });
});

test('an attribute that the caller leaves out keeps the default of the operator', () => {
  const nested = functions();
  const leaky = nested.functions[0]?.node[0];
  const caller = nested.functions[1]?.node[0];
  if (leaky === undefined || caller === undefined) throw new Error('no node');
  leaky.attribute = [
    create(AttributeProtoSchema, { name: 'alpha', type: 1, refAttrName: 'slope' }),
  ];
  caller.attribute = toAttributeProtos({});
  const [first] = decodeModel(toBinary(ModelProtoSchema, nested)).nodes;
  expect(first?.attribute).toEqual([]);
});

const ones = (...shape: number[]): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 1),
  );

const graph = (nodes: Graph['nodes'], more: Partial<Graph>): Graph => ({
  name: 'g',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 4] }],
  outputs: [{ name: 'out' }],
  nodes,
  initializers: new Map(),
  constants: new Map(),
  hints: new Map(),
  metadata: new Map(),
  ...more,
});

/** As PaddlePaddle exports a normalised input and a Linear. */
const paddle = graph(
  [
    makeNode('Sub', ['x', 'mean'], ['a']),
    makeNode('MatMul', ['a', 'linear_0.w_0'], ['b']),
    makeNode('Add', ['b', 'linear_0.b_0'], ['c']),
    makeNode('Mul', ['c', 'half'], ['out']),
  ],
  {
    constants: new Map([
      ['mean', ones(4)],
      ['linear_0.w_0', ones(4, 3)],
      ['linear_0.b_0', ones(3)],
      ['half', ones()],
    ]),
  },
);

test('weights in constants become parameters where a model has no others; other constants stay', () => {
  const { initializers, constants } = withConstantWeights(paddle);
  expect([...initializers.keys()]).toEqual(['linear_0.w_0', 'linear_0.b_0']);
  expect([...constants.keys()]).toEqual(['mean', 'half']);
  const own = { ...paddle, initializers: new Map([['w', ones(4)]]) };
  expect(withConstantWeights(own)).toBe(own);
});

test('an alias is a parameter of its own, unless the names say that it is the same', () => {
  const model = graph(
    [
      makeNode('Identity', ['b'], ['c']),
      makeNode('Add', ['x', 'b'], ['h']),
      makeNode('Add', ['h', 'c'], ['out']),
    ],
    { initializers: new Map([['b', ones(4)]]) },
  );
  expect([...withoutShared(model).initializers.keys()]).toEqual(['b', 'c']);
  expect([...withoutShared(model, new Set(['b', 'c'])).initializers.keys()]).toEqual(['b', 'c']);
  expect([...withoutShared(model, new Set(['b'])).initializers.keys()]).toEqual(['b']);
});

test('scales that an exporter puts together from constants are computed', () => {
  const model = graph(
    [
      makeNode('Cast', ['whole'], ['ones'], { to: 1 }),
      makeNode('Concat', ['ones', 'twos'], ['scales'], { axis: 0 }),
      makeNode('Resize', ['x', '', 'scales'], ['out']),
    ],
    {
      constants: new Map<string, Tensor>([
        ['whole', { dtype: 'I64', shape: [1], data: BigInt64Array.of(1n) }],
        ['twos', f32([1], [2])],
      ]),
    },
  );
  const { nodes, constants } = withFoldedConstants(model);
  expect(nodes.map(({ opType }) => opType)).toEqual(['Resize']);
  expect(constants.get('scales')).toEqual(f32([2], [1, 2]));
});

/** Takes element `at` out of x [4, 3] split along its first axis. */
const element = (at: bigint, sizes: Tensor | undefined, keepdims: number): Graph =>
  graph(
    [
      makeNode('SplitToSequence', ['x', ...(sizes === undefined ? [] : ['sizes'])], ['s'], {
        axis: 0,
        keepdims,
      }),
      makeNode('SequenceAt', ['s', 'at'], ['out']),
    ],
    {
      inputs: [{ name: 'x', dtype: 'F32', shape: [4, 3] }],
      constants: new Map<string, Tensor>([
        ['at', { dtype: 'I64', shape: [], data: BigInt64Array.of(at) }],
        ...(sizes === undefined ? [] : [['sizes', sizes] as const]),
      ]),
    },
  );

const i64 = (shape: readonly number[], ...values: bigint[]): Tensor => ({
  dtype: 'I64',
  shape,
  data: BigInt64Array.from(values),
});

test.each<[string, Graph]>([
  ['rows, kept', element(2n, undefined, 1)],
  ['rows, dropped', element(2n, undefined, 0)],
  ['rows from the end', element(-1n, undefined, 0)],
  ['equal pieces', element(1n, i64([], 2n), 1)],
  ['a shorter last piece', element(1n, i64([], 3n), 1)],
  ['pieces of given sizes', element(1n, i64([2], 1n, 3n), 1)],
  ['pieces of given sizes from the end', element(-2n, i64([2], 1n, 3n), 1)],
])('tensors taken out of a sequence are slices: %s', async (_, model) => {
  const without = withoutSequences(model);
  expect(without.nodes.map(({ opType }) => opType)).not.toContain('SequenceAt');
  const feeds = new Map([['x', f32([4, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])]]);
  const used = { ...without, nodes: pruned(without.nodes, ['out']) };
  const [expected, got] = [await open(encodeModel(model)), await open(encodeModel(used))];
  expect(await got.run(feeds)).toEqual(await expected.run(feeds));
});

test('a sequence whose pieces are not known stays one', () => {
  const model = element(-1n, i64([], 3n), 1);
  expect(withoutSequences(model).nodes).toEqual(model.nodes);
});

test('an input held at a value is a constant; one that the model has not is refused', () => {
  const model = graph([makeNode('Add', ['x', 'shift'], ['out'])], {
    inputs: [
      { name: 'x', dtype: 'F32', shape: ['n', 4] },
      { name: 'shift', dtype: 'F32', shape: [4] },
    ],
  });
  const fixed = withFixedInputs(model, new Map([['shift', ones(4)]]));
  expect(fixed.inputs.map(({ name }) => name)).toEqual(['x']);
  expect(fixed.constants.get('shift')).toEqual(ones(4));
  for (const [name, value] of [
    ['shift', ones(3)],
    ['shift', i64([4], 1n, 1n, 1n, 1n)],
    ['scale', ones(4)],
  ] as const) {
    expect(settle(() => withFixedInputs(model, new Map([[name, value]])))).toMatchObject({
      error: { reason: 'bad_option', option: 'fixed' },
    });
  }
});

test('weights that constants are only arranged into are weights too', () => {
  const model = graph(
    [
      makeNode('Unsqueeze', ['w', 'axis'], ['row']),
      makeNode('Squeeze', ['row', 'axis'], ['again']),
      makeNode('MatMul', ['x', 'again'], ['out']),
    ],
    {
      constants: new Map<string, Tensor>([
        ['w', ones(4, 3)],
        ['axis', i64([1], 0n)],
      ]),
    },
  );
  expect([...withConstantWeights(model).initializers.keys()]).toEqual(['w']);
});
