import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { decodeModel, encodeModel } from '../codec.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import {
  AttributeProto_AttributeType as Type,
  AttributeProtoSchema,
  GraphProtoSchema,
} from '../proto/onnx_pb.ts';
import { f32, open } from '../runtime.suite.ts';
import { upgraded } from './upgrade.ts';

const graph = (opset: number, nodes: Graph['nodes'], more: Partial<Graph> = {}): Graph => ({
  name: 'old',
  irVersion: 8,
  opsets: new Map([['', opset]]),
  inputs: [{ name: 'x', dtype: 'F32', shape: [2, 1, 3] }],
  outputs: [{ name: 'out' }],
  nodes,
  initializers: new Map(),
  constants: new Map(),
  hints: new Map(),
  metadata: new Map(),
  ...more,
});

const run = async (model: Graph, opset: number) => {
  const bytes = encodeModel({ ...model, opsets: new Map([['', opset]]) });
  const x = f32([2, 1, 3], [1, -2, 3, -4, 5, -6]);
  return (await (await open(bytes)).run(new Map([['x', x]]))).get('out');
};

test('what is current stays as it is', () => {
  const model = graph(17, [makeNode('Relu', ['x'], ['out'])]);
  expect(upgraded(model, 17)).toBe(model);
  expect(upgraded(model, 9).nodes).toEqual(model.nodes);
});

test('a chain of old forms gives the same as before', async () => {
  const old = graph(9, [
    makeNode('Pad', ['x'], ['a'], { pads: [0, 0, 1, 0, 0, 0] }),
    makeNode('Slice', ['a'], ['b'], { starts: [0], ends: [-1], axes: [2] }),
    makeNode('Squeeze', ['b'], ['c'], { axes: [1] }),
    makeNode('TopK', ['c'], ['d', 'places'], { k: 2, axis: 1 }),
    makeNode('Softmax', ['d'], ['e']),
    makeNode('ReduceSum', ['e'], ['out'], { axes: [0], keepdims: 0 }),
  ]);
  expect(await run(upgraded(old, 9), 17)).toEqual(await run(old, 9));
});

test('a softmax of the last axis stays one, so that a loss can look behind it', () => {
  const old = graph(9, [makeNode('Softmax', ['x'], ['out'], { axis: 2 })]);
  const hints = new Map([['out', { dtype: 'F32', shape: ['n', 1, 3] } as const]]);
  expect(upgraded({ ...old, hints }, 9).nodes).toEqual([
    makeNode('Softmax', ['x'], ['out'], { axis: -1 }),
  ]);
  expect(upgraded(old, 9).nodes).toHaveLength(4);
});

test('inside the bodies of If, too', async () => {
  const body = (op: string) =>
    create(GraphProtoSchema, {
      name: op,
      node: [
        makeNode(op, ['x'], [`${op} y`], { axes: [1], ...(op === 'ReduceSum' && { keepdims: 0 }) }),
      ],
      output: [{ name: `${op} y` }],
    });
  const node = makeNode('If', ['yes'], ['out']);
  const branches = { then_branch: 'Squeeze', else_branch: 'ReduceSum' };
  node.attribute = Object.entries(branches).map(([name, op]) =>
    create(AttributeProtoSchema, { name, type: Type.GRAPH, g: body(op) }),
  );
  const yes = { dtype: 'BOOL', shape: [], data: Uint8Array.of(1) } as const;
  const old = graph(11, [node], { constants: new Map([['yes', yes]]) });
  const current = decodeModel(encodeModel(upgraded(old, 11)));
  expect(await run(current, 17)).toEqual(await run(old, 11));
});

test('a shrinking and enlarging Upsample has no new form', () => {
  const scales = f32([3], [1, 2, 0.5]);
  const old = graph(10, [makeNode('Resize', ['x', 's'], ['out'])], {
    constants: new Map([['s', scales]]),
  });
  expect(() => upgraded(old, 10)).toThrow(/enlarges one axis and shrinks another/);
});
