import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { Tensor } from '../tensors/tensor.ts';
import { decodeModel, encodeModel, readModel } from './codec.ts';
import { settle } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph } from './graph.ts';
import { ModelProtoSchema, TensorProtoSchema } from './proto/onnx_pb.ts';
import { bytesOf, f32, vector } from './runtime.suite.ts';
import { fromTensorProto, toTensorProto } from './tensor-proto.ts';

const graph: Graph = {
  name: 'g',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  inputs: [{ name: 'x', dtype: 'F32', shape: ['batch', 3, '2*batch'] }],
  outputs: [{ name: 'y', type: { dtype: 'F32', shape: ['batch', 2] } }],
  nodes: [makeNode('Gemm', ['x', 'w'], ['y'], { transB: 1 })],
  initializers: new Map([['w', f32([2, 3], [1, 2, 3, 4, 5, 6])]]),
  constants: new Map([['c', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 53n) }]]),
  hints: new Map(),
  metadata: new Map([['k', 'v']]),
};

test('reads what it writes; constants stay apart from weights', () => {
  const again = decodeModel(encodeModel(graph));
  expect(again.initializers).toEqual(graph.initializers);
  expect(again.constants).toEqual(graph.constants);
  expect(again.outputs).toEqual(graph.outputs);
  expect(again.nodes.map(({ opType }) => opType)).toEqual(['Gemm']);
  expect(again.metadata).toEqual(graph.metadata);
  expect(encodeModel(again)).toEqual(encodeModel({ ...graph, inputs: again.inputs }));
});

test('readModel answers the fault instead of throwing', () => {
  expect(readModel(encodeModel(graph))).toMatchObject({ ok: true, value: { name: 'g' } });
  expect(readModel(Uint8Array.of(255))).toMatchObject({
    ok: false,
    error: { reason: 'malformed_model' },
  });
});

test("PyTorch's files come through a decode and encode byte for byte", () => {
  for (const name of ['mlp', 'lenet', 'zoo']) {
    const bytes = bytesOf((vector(name) as { model: string }).model);
    expect(toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes))).toEqual(bytes);
  }
});

test('tensors do not change when the bytes that they were read from do', () => {
  const bytes = Buffer.from(encodeModel(graph));
  const { initializers } = decodeModel(bytes);
  bytes.fill(0);
  expect(initializers).toEqual(graph.initializers);
});

test('encoded tensors do not change with the array that they were made from', () => {
  const whole = Float32Array.of(9, 1, 2, 9);
  const proto = toTensorProto('t', { dtype: 'F32', shape: [2], data: whole.subarray(1, 3) });
  whole.fill(0);
  expect(fromTensorProto(proto).data).toEqual(Float32Array.of(1, 2));
});

test.each<[string, Parameters<typeof create<typeof TensorProtoSchema>>[1], Tensor]>([
  ['float_data', { dataType: 1, floatData: [1.5, -2] }, f32([2], [1.5, -2])],
  [
    'int64_data',
    { dataType: 7, int64Data: [1n, -(2n ** 60n)] },
    { dtype: 'I64', shape: [2], data: BigInt64Array.of(1n, -(2n ** 60n)) },
  ],
  [
    'int32_data of bytes',
    { dataType: 2, int32Data: [0, 255] },
    { dtype: 'U8', shape: [2], data: Uint8Array.of(0, 255) },
  ],
  [
    'int32_data of truth values',
    { dataType: 9, int32Data: [1, 0] },
    { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) },
  ],
  [
    'double_data',
    { dataType: 11, doubleData: [0.1, 2] },
    { dtype: 'F64', shape: [2], data: Float64Array.of(0.1, 2) },
  ],
  [
    'uint64_data',
    { dataType: 12, uint64Data: [1n, 4294967295n] },
    { dtype: 'U32', shape: [2], data: Uint32Array.of(1, 4294967295) },
  ],
])('reads %s', (_, init, tensor) => {
  expect(fromTensorProto(create(TensorProtoSchema, { ...init, dims: [2n] }))).toEqual(tensor);
});

test.each<[string, Parameters<typeof create<typeof TensorProtoSchema>>[1], string]>([
  ['too few bytes', { dataType: 1, rawData: new Uint8Array(4), dims: [2n] }, 'malformed_model'],
  ['too many elements', { dataType: 1, floatData: [1, 2, 3], dims: [2n] }, 'malformed_model'],
  ['strings', { dataType: 8, dims: [1n] }, 'unsupported_model'],
  [
    'external data that is not given',
    { dataType: 1, dims: [1n], dataLocation: 1, externalData: [{ key: 'location', value: 'w' }] },
    'unsupported_model',
  ],
])('refuses %s', (_, init, reason) => {
  const result = settle(() => fromTensorProto(create(TensorProtoSchema, init)));
  expect(result).toMatchObject({ ok: false, error: { reason } });
});
