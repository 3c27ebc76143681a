import { BATCH } from '../../core/onnx/batch.ts';
import { encodeModel } from '../../core/onnx/codec.ts';
import { Emitter } from '../../core/onnx/emitter.ts';

const OPSET = 17;

/** The least model there is, for rows of numbers such as a CSV has: logits = x Wt + b, all zero, as an ONNX file. */
export function softmaxRegression(features: number, classes: number): Uint8Array {
  const g = new Emitter(OPSET);
  const x = { name: 'x', dtype: 'F32', shape: [BATCH, features] } as const;
  const zeros = (shape: readonly number[]) => {
    const data = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
    return { dtype: 'F32', shape, data } as const;
  };
  const initializers = new Map([
    ['weight', zeros([classes, features])],
    ['bias', zeros([classes])],
  ]);
  g.input('x', x);
  for (const [name, { dtype, shape }] of initializers) g.input(name, { dtype, shape });
  const output = g.named('logits', g.op('Gemm', ['x', 'weight', 'bias'], { transB: 1 }));
  const type = g.types.get(output);
  return encodeModel({
    name: 'softmax regression',
    irVersion: 8,
    opsets: new Map([['', OPSET]]),
    inputs: [x],
    outputs: [{ name: output, ...(type && { type }) }],
    nodes: g.nodes,
    initializers,
    constants: g.constants,
    hints: new Map(),
    metadata: new Map(),
  });
}
