// The models that are raced: forward ONNX graphs as an exporter writes them, float32 in, logits out.
import { encodeModel } from '../../core/onnx/codec.ts';
import { Emitter } from '../../core/onnx/emitter.ts';
import type { Attributes } from '../../core/onnx/attribute.ts';
import type { Tensor } from '../../core/tensors/tensor.ts';
import { sizeOf } from '../../core/tensors/tensor.ts';

const OPSET = 17;
const IR_VERSION = 8;

/** Uniform in [0, 1), the same for everybody: mulberry32. */
export const generator = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

/** A forward model as it is put together. Weights lie in [-1/sqrt(fan in), 1/sqrt(fan in)]. */
class Net {
  readonly g = new Emitter(OPSET);
  readonly weights = new Map<string, Tensor>();
  readonly #rng = generator(1);
  readonly #inputs: { name: string; dtype: 'F32' | 'I32'; shape: (number | string)[] }[] = [];

  input(name: string, dtype: 'F32' | 'I32', shape: readonly (number | string)[]): string {
    const value = { name, dtype, shape: [...shape] };
    this.#inputs.push(value);
    return this.g.input(name, value);
  }

  /** A parameter of random values, or all `fill`. */
  weight(name: string, shape: readonly number[], fanIn: number, fill?: number): string {
    const bound = 1 / Math.sqrt(fanIn);
    const data = Float32Array.from({ length: sizeOf(shape) }, () =>
      fill === undefined ? (this.#rng() * 2 - 1) * bound : fill,
    );
    const tensor: Tensor = { dtype: 'F32', shape, data };
    this.weights.set(name, tensor);
    return this.g.input(name, tensor);
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.g.op(type, inputs, attributes);
  }

  linear(name: string, x: string, inputs: number, outputs: number): string {
    const w = this.weight(`${name}.weight`, [outputs, inputs], inputs);
    const b = this.weight(`${name}.bias`, [outputs], inputs);
    return this.op('Gemm', [x, w, b], { transB: 1 });
  }

  conv(
    name: string,
    x: string,
    [inputs, outputs, k, stride, pad]: readonly [number, number, number, number, number],
    bias: boolean,
  ): string {
    const w = this.weight(`${name}.weight`, [outputs, inputs, k, k], inputs * k * k);
    const b = bias ? [this.weight(`${name}.bias`, [outputs], inputs * k * k)] : [];
    return this.op('Conv', [x, w, ...b], {
      kernel_shape: [k, k],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  }

  norm(name: string, x: string, channels: number): string {
    const terms = ['weight', 'bias', 'running_mean', 'running_var'].map((term, i) =>
      this.weight(`${name}.${term}`, [channels], 1, [1, 0, 0, 1][i]),
    );
    return this.op('BatchNormalization', [x, ...terms]);
  }

  encode(name: string, logits: string): Uint8Array {
    this.g.named('logits', logits);
    const type = this.g.types.get('logits');
    return encodeModel({
      name,
      irVersion: IR_VERSION,
      opsets: new Map([['', OPSET]]),
      inputs: this.#inputs,
      outputs: [type === undefined ? { name: 'logits' } : { name: 'logits', type }],
      nodes: this.g.nodes,
      initializers: this.weights,
      constants: this.g.constants,
      hints: new Map(),
      metadata: new Map(),
    });
  }
}

/** 784-128-10: 101,770 parameters. */
const mlp = (): Uint8Array => {
  const net = new Net();
  const x = net.op('Flatten', [net.input('x', 'F32', ['batch', 1, 28, 28])]);
  const hidden = net.op('Relu', [net.linear('fc1', x, 784, 128)]);
  return net.encode('mlp', net.linear('fc2', hidden, 128, 10));
};

/** Twice 5x5 convolution (16, 32 channels), ReLU and 2x2 maxima; 64 hidden units: 114,314 parameters. */
const cnn = (): Uint8Array => {
  const net = new Net();
  const pool = { kernel_shape: [2, 2], strides: [2, 2] };
  let x = net.input('x', 'F32', ['batch', 1, 28, 28]);
  x = net.op('MaxPool', [net.op('Relu', [net.conv('conv1', x, [1, 16, 5, 1, 2], true)])], pool);
  x = net.op('MaxPool', [net.op('Relu', [net.conv('conv2', x, [16, 32, 5, 1, 2], true)])], pool);
  x = net.op('Relu', [net.linear('fc1', net.op('Flatten', [x]), 1568, 64)]);
  return net.encode('cnn', net.linear('fc2', x, 64, 10));
};

/** ResNet-18 (He et al., 2015) as torchvision has it, for 64x64 pixels and 10 classes: 11.2 million parameters. */
const resnet18 = (): Uint8Array => {
  const net = new Net();
  const relu = (x: string): string => net.op('Relu', [x]);
  const normed = (
    conv: string,
    norm: string,
    x: string,
    plan: readonly [number, number, number, number, number],
  ): string => net.norm(norm, net.conv(conv, x, plan, false), plan[1]);
  let x = relu(
    normed('conv1', 'bn1', net.input('x', 'F32', ['batch', 3, 64, 64]), [3, 64, 7, 2, 3]),
  );
  x = net.op('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let channels = 64;
  [64, 128, 256, 512].forEach((width, stage) => {
    for (const block of [0, 1]) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const inner = relu(
        normed(`${name}.conv1`, `${name}.bn1`, x, [channels, width, 3, stride, 1]),
      );
      const outer = normed(`${name}.conv2`, `${name}.bn2`, inner, [width, width, 3, 1, 1]);
      const around =
        channels === width
          ? x
          : normed(`${name}.downsample.0`, `${name}.downsample.1`, x, [
              channels,
              width,
              1,
              stride,
              0,
            ]);
      x = relu(net.op('Add', [outer, around]));
      channels = width;
    }
  });
  const pooled = net.op('Flatten', [net.op('GlobalAveragePool', [x])]);
  return net.encode('resnet18', net.linear('fc', pooled, 512, 10));
};

export interface TransformerSize {
  readonly vocabulary: number;
  readonly length: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

/** `gpt`: over characters, as large as nanoGPT's for a laptop, 0.8 million parameters; `transformer`: a small one. */
export const TRANSFORMERS = {
  gpt: { vocabulary: 65, length: 64, layers: 4, heads: 4, width: 128 },
  transformer: { vocabulary: 31, length: 16, layers: 2, heads: 2, width: 32 },
} as const satisfies Readonly<Record<string, TransformerSize>>;

const transformer = ({ vocabulary, length, layers, heads, width }: TransformerSize): Uint8Array => {
  const net = new Net();
  const ints = (...values: number[]): string => net.g.ints(values);
  const normed = (name: string, x: string): string =>
    net.op('LayerNormalization', [
      x,
      net.weight(`${name}.weight`, [width], 1, 1),
      net.weight(`${name}.bias`, [width], 1, 0),
    ]);
  const dense = (name: string, x: string, inputs: number, outputs: number): string =>
    net.op('Add', [
      net.op('MatMul', [x, net.weight(`${name}.weight`, [inputs, outputs], inputs)]),
      net.weight(`${name}.bias`, [outputs], inputs),
    ]);
  const number = (value: number): string =>
    net.g.constant({ dtype: 'F32', shape: [], data: Float32Array.of(value) });
  const mask = net.g.constant({
    dtype: 'F32',
    shape: [1, 1, length, length],
    data: Float32Array.from({ length: length * length }, (_, at) =>
      at % length > Math.floor(at / length) ? -1e9 : 0,
    ),
  });
  const tokens = net.input('x', 'I32', ['batch', length]);
  const embedded = net.op('Gather', [net.weight('wte', [vocabulary, width], width), tokens]);
  let x = net.op('Add', [embedded, net.weight('wpe', [length, width], width)]);
  for (let layer = 0; layer < layers; layer++) {
    const name = `h.${layer}`;
    const qkv = net.g.ops(
      'Split',
      [
        dense(`${name}.attn`, normed(`${name}.ln1`, x), width, 3 * width),
        ints(width, width, width),
      ],
      3,
      { axis: 2 },
    );
    const [q, k, v] = [
      [0, 2, 1, 3],
      [0, 2, 3, 1],
      [0, 2, 1, 3],
    ].map((perm, i) =>
      net.op(
        'Transpose',
        [net.op('Reshape', [qkv[i] ?? '', ints(-1, length, heads, width / heads)])],
        { perm },
      ),
    );
    const scores = net.op('Mul', [
      net.op('MatMul', [q ?? '', k ?? '']),
      number(1 / Math.sqrt(width / heads)),
    ]);
    const weights = net.op('Softmax', [net.op('Add', [scores, mask])], { axis: -1 });
    const seen = net.op('Transpose', [net.op('MatMul', [weights, v ?? ''])], {
      perm: [0, 2, 1, 3],
    });
    const joined = net.op('Reshape', [seen, ints(-1, length, width)]);
    x = net.op('Add', [x, dense(`${name}.proj`, joined, width, width)]);
    const wide = dense(`${name}.up`, normed(`${name}.ln2`, x), width, 4 * width);
    const bell = net.op('Erf', [net.op('Div', [wide, number(Math.SQRT2)])]);
    const gelu = net.op('Mul', [
      net.op('Mul', [wide, net.op('Add', [bell, number(1)])]),
      number(0.5),
    ]);
    x = net.op('Add', [x, dense(`${name}.down`, gelu, 4 * width, width)]);
  }
  const head = net.weight('head.weight', [width, vocabulary], width);
  return net.encode('transformer', net.op('MatMul', [normed('ln', x), head]));
};

export const MODELS = {
  mlp,
  cnn,
  resnet18,
  gpt: () => transformer(TRANSFORMERS.gpt),
  transformer: () => transformer(TRANSFORMERS.transformer),
} as const;
export type ModelName = keyof typeof MODELS;
