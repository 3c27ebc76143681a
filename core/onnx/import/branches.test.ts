import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { decodeModel, encodeModel } from '../codec.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import {
  AttributeProto_AttributeType as Type,
  AttributeProtoSchema,
  GraphProtoSchema,
} from '../proto/onnx_pb.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import { f32, Trainer } from '../runtime.suite.ts';
import { faultOf, labels, programsOf } from '../small-models.suite.ts';
import { toTensorProto } from '../tensor-proto.ts';

const weight = f32(
  [4, 4],
  Array.from({ length: 16 }, (_, i) => (i % 5) / 4 - 0.5),
);
const int64 = (value: number): Tensor => ({
  dtype: 'I64',
  shape: [1],
  data: BigInt64Array.of(BigInt(value)),
});

/** If that multiplies by a weight of its own, or drops an axis. Both branches call their value `y`. */
const decision = (condition: string, output: string): NodeProto => {
  const times = create(GraphProtoSchema, {
    name: 'times',
    node: [makeNode('MatMul', ['h', 'own'], ['y'])],
    initializer: [toTensorProto('own', weight)],
    output: [{ name: 'y' }],
  });
  const drop = create(GraphProtoSchema, {
    name: 'drop',
    node: [
      makeNode('Constant', [], ['axis'], { value: int64(1) }),
      makeNode('Squeeze', ['h', 'axis'], ['y']),
    ],
    output: [{ name: 'y' }],
  });
  const node = makeNode('If', [condition], [output]);
  node.attribute = Object.entries({ then_branch: times, else_branch: drop }).map(([name, g]) =>
    create(AttributeProtoSchema, { name, type: Type.GRAPH, g }),
  );
  return node;
};

const model = (nodes: readonly NodeProto[], more: Partial<Graph> = {}): Uint8Array =>
  encodeModel({
    name: 'decides',
    irVersion: 8,
    opsets: new Map([['', 13]]),
    inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 4] }],
    outputs: [{ name: 'out' }],
    nodes,
    initializers: new Map([['w', weight]]),
    constants: new Map([
      ['one', int64(1)],
      ['four', int64(4)],
    ]),
    hints: new Map(),
    metadata: new Map(),
    ...more,
  });

const isFour = [
  makeNode('Shape', ['h'], ['lengths']),
  makeNode('Gather', ['lengths', 'one'], ['length']),
  makeNode('Equal', ['length', 'four'], ['yes']),
];

test('a branch that shapes decide for is trained, with its weights', async () => {
  const programs = programsOf(
    model([makeNode('MatMul', ['x', 'w'], ['h']), ...isFour, decision('yes', 'out')]),
  );
  expect([...programs.parameters.keys()]).toEqual(['w', 'own']);
  expect(decodeModel(programs.train.model).nodes.map(({ opType }) => opType)).not.toContain('If');
  const trainer = await Trainer.start(programs.train, programs.parameters);
  const x = f32([3, 4], [1, 0, 2, 1, 0, 1, 1, 3, 2, 2, 0, 1]);
  const first = await trainer.step(x, labels(3, 4), 0.1);
  for (let i = 0; i < 20; i++) await trainer.step(x, labels(3, 4), 0.1);
  expect((await trainer.step(x, labels(3, 4), 0)).loss).toBeLessThan(first.loss / 2);
});

test('two of them, whose values are called alike', () => {
  const programs = programsOf(
    model([
      makeNode('MatMul', ['x', 'w'], ['h']),
      ...isFour,
      decision('yes', 'a'),
      decision('yes', 'b'),
      makeNode('Add', ['a', 'b'], ['out']),
    ]),
  );
  expect([...programs.parameters.keys()]).toEqual(['w', 'own', 'own.2']);
});

test('a decision that the input makes is forbidden, with the reason', () => {
  const nodes = [
    makeNode('MatMul', ['x', 'w'], ['h']),
    makeNode('ReduceMax', ['x'], ['most'], { keepdims: 0 }),
    makeNode('Cast', ['most'], ['yes'], { to: 9 }),
    decision('yes', 'out'),
  ];
  const out = { name: 'out', type: { dtype: 'F32', shape: ['n', 4] } } as const;
  expect(faultOf(model(nodes, { outputs: [out] }))).toMatchObject({
    reason: 'blocked_operators',
    operators: [{ op: 'If', path: ['out', 'loss'], why: expect.stringMatching(/^control flow/) }],
  });
});
