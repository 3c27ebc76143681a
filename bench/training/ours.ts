// Our train program, as a bench or a page runs it.
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-web';
import { differentiate } from '../../core/onnx/index.ts';
import type { Programs } from '../../core/onnx/index.ts';
import type { Batch } from './batches.ts';
import type { Step } from './round.ts';
import { MODELS } from './models.ts';
import type { ModelName } from './models.ts';

/** The part of both packages that is used here. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: TensorConstructor;
}

/** The model's programs for a target; plain SGD, and the loss at every position where there are several. */
export const programsOf = (model: ModelName, target: 'wasm' | 'native' | 'webgpu'): Programs => {
  const made = differentiate(MODELS[model](), {
    loss: { name: 'softmax-cross-entropy', axis: -1 },
    optimizer: { name: 'sgd' },
    target,
  });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
};

interface Settings {
  readonly options?: InferenceSession.SessionOptions;
  /** Steps of a run: more than one for a looped program. */
  readonly steps?: number;
  readonly lr?: number;
}

/** Runs of a train program: what one gives back is fed to the next. Answers the mean loss of the run's steps. */
export const stepper = async (
  { InferenceSession, Tensor }: Ort,
  { train, parameters }: Programs,
  batch: Batch,
  { options = {}, steps = 1, lr = 0.01 }: Settings,
): Promise<Step> => {
  const { manifest } = train;
  const session = await InferenceSession.create(train.model, options);
  const feeds: Record<string, OrtTensor> = {};
  for (const { name, input, shape } of manifest.parameters) {
    const data = Float32Array.from(parameters.get(name)?.data as Float32Array);
    feeds[input] = new Tensor('float32', data, [...shape]);
  }
  const feed = (
    spec: { readonly input: string } | undefined,
    data: Float32Array | Int32Array,
    shape: readonly number[],
  ): void => {
    if (spec === undefined) throw new Error('a train program has x, y and lr');
    const all = steps > 1 ? repeated(data, steps) : data;
    const dims = steps > 1 ? [steps, ...shape] : [...shape];
    feeds[spec.input] =
      all instanceof Float32Array
        ? new Tensor('float32', all, dims)
        : new Tensor('int32', all, dims);
  };
  feed(manifest.inputs.x, batch.x, batch.xShape);
  feed(manifest.inputs.y, batch.y, batch.yShape);
  feed(manifest.inputs.lr, Float32Array.of(lr), []);
  const carried = manifest.parameters.flatMap(({ input, output }) =>
    output === undefined ? [] : [[input, output] as const],
  );
  const [loss] = manifest.metrics;
  return async () => {
    const out = await session.run(feeds);
    for (const [input, output] of carried) {
      const next = out[output];
      if (next !== undefined) feeds[input] = next;
    }
    const sums = out[loss?.output ?? '']?.data as Float32Array;
    return sums.reduce((a, b) => a + b, 0) / (batch.y.length * steps);
  };
};

const repeated = <T extends Float32Array | Int32Array>(data: T, times: number): T => {
  const all = new (data.constructor as new (length: number) => T)(data.length * times);
  for (let i = 0; i < times; i++) all.set(data, i * data.length);
  return all;
};
