import type { Tensors } from '../../tensors/tensor.ts';
import { sizeOf } from '../../tensors/tensor.ts';
import { BATCH } from '../batch.ts';
import { encodeModel } from '../codec.ts';
import type { Dim } from '../dim.ts';
import { Emitter } from '../emitter.ts';

/** Uniform in [0, 1). */
export type Rng = () => number;

const OPSET = 17;
const IR_VERSION = 8;

/** A forward model as it is put together, layer upon layer. */
export class Layers {
  readonly #g = new Emitter(OPSET);
  readonly #weights: Tensors = new Map();
  readonly #rng: Rng;
  readonly #input: { readonly name: string; readonly dtype: 'U8'; readonly shape: readonly Dim[] };
  #at: string;

  /** Takes images of unsigned bytes, [batch, ...shape], under the name `x`. */
  constructor(shape: readonly number[], rng: Rng) {
    this.#rng = rng;
    this.#input = { name: 'x', dtype: 'U8', shape: [BATCH, ...shape] };
    this.#at = this.#g.input('x', this.#input);
  }

  /** (x / 255 - mean) / deviation: inside the graph, so that every site does the same. */
  normalise(mean: number, deviation: number): this {
    const g = this.#g;
    const pixels = g.op('Cast', [this.#at], { to: 1 });
    const scaled = g.op('Mul', [pixels, g.scalar(1 / (255 * deviation), pixels)]);
    this.#at = g.op('Sub', [scaled, g.scalar(mean / deviation, pixels)]);
    return this;
  }

  relu(): this {
    this.#at = this.#g.op('Relu', [this.#at]);
    return this;
  }

  flatten(): this {
    this.#at = this.#g.op('Flatten', [this.#at], { axis: 1 });
    return this;
  }

  /** Maxima of size x size tiles. */
  maxPool(size: number): this {
    this.#at = this.#g.op('MaxPool', [this.#at], {
      kernel_shape: [size, size],
      strides: [size, size],
    });
    return this;
  }

  /** y = x Wt + b, W [outputs, inputs]. */
  dense(name: string, outputs: number): this {
    const inputs = this.#size(1);
    const [w, b] = this.#parameters(name, [outputs, inputs], inputs);
    this.#at = this.#g.op('Gemm', [this.#at, w, b], { transB: 1 });
    return this;
  }

  /** Two-dimensional, stride 1, no padding, W [channels, inputs, size, size]. */
  conv(name: string, channels: number, size: number): this {
    const inputs = this.#size(1);
    const [w, b] = this.#parameters(name, [channels, inputs, size, size], inputs * size * size);
    this.#at = this.#g.op('Conv', [this.#at, w, b], { kernel_shape: [size, size] });
    return this;
  }

  /** The model as an ONNX file; its output is called `logits`. */
  encode(name: string): Uint8Array {
    const output = this.#g.named('logits', this.#at);
    const type = this.#g.types.get(output);
    return encodeModel({
      name,
      irVersion: IR_VERSION,
      opsets: new Map([['', OPSET]]),
      inputs: [this.#input],
      outputs: [{ name: output, ...(type && { type }) }],
      nodes: this.#g.nodes,
      initializers: this.#weights,
      constants: this.#g.constants,
      hints: new Map(),
      metadata: new Map(),
    });
  }

  #size(axis: number): number {
    return Number(this.#g.types.get(this.#at)?.shape[axis]);
  }

  /** PyTorch's default: weight and bias uniform within 1 / sqrt(fan in) (Kaiming with a = sqrt 5). */
  #parameters(layer: string, shape: readonly number[], fanIn: number): [string, string] {
    const bound = 1 / Math.sqrt(fanIn);
    const [weight, bias] = [`${layer}.weight`, `${layer}.bias`];
    this.#parameter(weight, shape, bound);
    this.#parameter(bias, shape.slice(0, 1), bound);
    return [weight, bias];
  }

  #parameter(name: string, shape: readonly number[], bound: number): void {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => (this.#rng() * 2 - 1) * bound);
    this.#weights.set(name, { dtype: 'F32', shape, data });
    this.#g.input(name, { dtype: 'F32', shape });
  }
}
