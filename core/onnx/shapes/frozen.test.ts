import { expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import type { Attributes } from '../attribute.ts';
import { encodeModel } from '../codec.ts';
import { Emitter } from '../emitter.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { f32, open, seeded } from '../runtime.suite.ts';

const floats = (...shape: number[]): Tensor => {
  const rng = seeded(3);
  return f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng()),
  );
};
const bytes = (...shape: number[]): Tensor => ({
  dtype: 'U8',
  shape,
  data: new Uint8Array(shape.reduce((a, b) => a * b, 1)).fill(7),
});
const int64 = (...values: number[]): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const scalar = (tensor: Tensor): Tensor => ({ ...tensor, shape: [] });

test.each<[string, readonly Tensor[], Attributes?]>([
  ['QuantizeLinear', [floats(2, 3), scalar(floats(1)), scalar(bytes(1))]],
  ['DequantizeLinear', [bytes(2, 3), scalar(floats(1)), scalar(bytes(1))]],
  ['DynamicQuantizeLinear', [floats(2, 3)]],
  ['MatMulInteger', [bytes(2, 3), bytes(3, 4)]],
  ['RandomNormal', [], { shape: [2, 3] }],
  ['RandomUniform', [], { shape: [4] }],
  ['RandomUniformLike', [floats(2, 3)]],
  ['Bernoulli', [floats(2, 3)]],
  ['HannWindow', [scalar(int64(6))]],
  ['HammingWindow', [scalar(int64(5))]],
  ['BlackmanWindow', [scalar(int64(4))]],
  ['Det', [floats(2, 3, 3)]],
  ['GridSample', [floats(2, 3, 4, 5), floats(2, 6, 7, 2)]],
  [
    'RoiAlign',
    [floats(1, 2, 5, 5), floats(3, 4), int64(0, 0, 0)],
    { output_height: 2, output_width: 3 },
  ],
  ['OneHot', [int64(0, 2, 1), scalar(int64(4)), floats(2)], { axis: 0 }],
  ['EyeLike', [floats(3, 4)]],
  ['Range', [scalar(int64(1)), scalar(int64(9)), scalar(int64(3))]],
])('%s: the shape and dtype that the runtime gives', async (op, inputs, attributes) => {
  const outputs = op === 'DynamicQuantizeLinear' ? ['y', 'scale', 'zero'] : ['y'];
  const graph: Graph = {
    name: op,
    irVersion: 8,
    opsets: new Map([['', 17]]),
    inputs: [],
    outputs: outputs.map((name) => ({ name })),
    nodes: [
      makeNode(
        op,
        inputs.map((_, i) => `in${i}`),
        outputs,
        attributes,
      ),
    ],
    initializers: new Map(),
    constants: new Map(inputs.map((tensor, i) => [`in${i}`, tensor])),
    hints: new Map(),
    metadata: new Map(),
  };
  const made = await (await open(encodeModel(graph))).run(new Map());
  const types = Emitter.of(graph, 17).types;
  for (const name of outputs) {
    const { dtype, shape } = made.get(name) ?? {};
    expect(types.get(name)).toEqual({ dtype, shape });
  }
});
