// The nearest peer, as a process and as a page run it: the model imported by @jax-js/onnx with its weights as arguments,
// differentiated and compiled by @jax-js/jax.
import { decodeModel, encodeModel } from '../../core/onnx/codec.ts';
import type { Batch } from './batches.ts';
import type { Step } from './round.ts';
import { MODELS } from './models.ts';
import type { ModelName } from './models.ts';

/** An array: of jax-js, as far as it is used here. Operations consume their operands; `ref` keeps one. */
interface Value {
  readonly ref: Value;
  reshape(shape: readonly number[]): Value;
  mul(by: Value | number): Value;
  sub(by: Value): Value;
  sum(): Value;
  jsAsync(): Promise<number>;
}
type Weights = Record<string, Value>;
type Loss = (weights: Weights, x: Value, truth: Value) => Value;
type Stepped = (weights: Weights, x: Value, truth: Value) => [Weights, Value];

/** The parts of @jax-js/jax and @jax-js/onnx that are used here. */
export interface Jax {
  readonly init: () => Promise<readonly string[]>;
  readonly defaultDevice: (device: string) => void;
  readonly blockUntilReady: (tree: unknown) => Promise<unknown>;
  readonly jit: (step: Stepped) => Stepped;
  readonly valueAndGrad: (loss: Loss) => (...of: Parameters<Loss>) => [Value, Weights];
  readonly tree: {
    ref(weights: Weights): Weights;
    map(each: (w: Value, d: Value) => Value, a: Weights, b: Weights): Weights;
  };
  readonly nn: { oneHot(labels: Value, classes: number): Value; logSoftmax(logits: Value): Value };
  readonly numpy: {
    array(data: Float32Array | Int32Array, options: { readonly shape: readonly number[] }): Value;
  };
}
export interface JaxOnnx {
  readonly ONNXModel: new (model: Uint8Array) => { run(inputs: Weights): Weights };
}

export const jaxStepper = async (
  { init, defaultDevice, blockUntilReady, jit, valueAndGrad, tree, nn, numpy }: Jax,
  { ONNXModel }: JaxOnnx,
  name: ModelName,
  batch: Batch,
  device: 'wasm' | 'webgpu',
): Promise<Step> => {
  const devices = await init();
  if (!devices.includes(device)) throw new Error(`jax-js has ${devices.join()} here`);
  defaultDevice(device);
  const graph = decodeModel(MODELS[name]());
  const weights = [...graph.initializers];
  const model = new ONNXModel(
    encodeModel({
      ...graph,
      inputs: [
        ...graph.inputs,
        ...weights.map(([of, { dtype, shape }]) => ({ name: of, dtype, shape })),
      ],
      initializers: new Map(),
    }),
  );
  let params: Weights = Object.fromEntries(
    weights.map(([of, { data, shape }]) => [
      of,
      numpy.array(Float32Array.from(data as Float32Array), { shape }),
    ]),
  );
  const x = numpy.array(batch.x, { shape: batch.xShape });
  const labels = numpy.array(batch.y, { shape: [batch.y.length] });
  const truth = nn.oneHot(labels, batch.classes);
  const loss: Loss = (w, input, hot) => {
    const { logits } = model.run({ x: input, ...w });
    if (logits === undefined) throw new Error('the model has no logits');
    const rows = nn.logSoftmax(logits.reshape([-1, batch.classes]));
    return rows
      .mul(hot)
      .sum()
      .mul(-1 / batch.y.length);
  };
  const step = jit((w, input, hot) => {
    const [value, slopes] = valueAndGrad(loss)(tree.ref(w), input, hot);
    return [tree.map((from, slope) => from.sub(slope.mul(0.01)), w, slopes), value];
  });
  return async () => {
    const [next, value] = step(params, x.ref, truth.ref);
    params = next;
    const before = await value.jsAsync();
    await blockUntilReady(params);
    return before;
  };
};
