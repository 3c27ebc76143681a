import type { TensorData } from '../../../core/tensors/dtype.ts';
import type { Tensor, Tensors } from '../../../core/tensors/tensor.ts';
import type { Client } from '../client.ts';
import { Patched } from './patched.ts';

/** What this needs of a tf.Tensor, a tf.TensorBuffer, a tf.LayerVariable and a tf.LayersModel (4.x). */
interface TfTensor {
  readonly shape: number[];
  readonly dtype: string;
  data(): Promise<ArrayLike<number>>;
  dataSync(): ArrayLike<number>;
  buffer(): Promise<TfBuffer>;
  bufferSync(): TfBuffer;
  dispose(): void;
}
interface TfBuffer {
  values: unknown;
  toTensor(): unknown;
}
interface TfVariable {
  readonly originalName: string;
  read(): unknown;
  write(value: never): unknown;
}
export interface TfModel {
  readonly weights: readonly TfVariable[];
  readonly metricsNames: readonly string[];
  // Whatever TensorFlow.js lets them be.
  fit(x: never, y: never, args?: never): Promise<unknown>;
  evaluate(x: never, y: never, args?: never): unknown;
}

const DTYPES = {
  float32: { dtype: 'F32', make: (values: ArrayLike<number>) => Float32Array.from(values) },
  int32: { dtype: 'I32', make: (values: ArrayLike<number>) => Int32Array.from(values) },
} as const;

interface Logs {
  readonly loss?: number;
}
interface Callbacks {
  onBatchEnd?: (batch: number, logs?: Logs) => unknown;
  onEpochEnd?: (epoch: number, logs?: Logs) => unknown;
}
interface FitArgs {
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly callbacks?: Callbacks | Callbacks[];
}

/**
 * Makes a TensorFlow.js LayersModel federated: `fit` begins with the model that the task brought and sends what it made of
 * it; `evaluate` before it judges the model received, and its metrics go along. Where the task asks for no training,
 * `fit` does none; `submit_model` gets what was trained last. Weights go by their names, those of layers that aren't trainable too; the optimizer's own state stays here.
 * Throws TypeError where the task's model isn't this one. `client` is that of `init` unless given.
 */
export const patch = <Model extends TfModel>(model: Model, client?: Client): Model => {
  const weights = new Weights(model.weights);
  const patched = new Patched(client, (params) => weights.write(params));
  const fit = model.fit.bind(model) as (x: unknown, y: unknown, args: unknown) => Promise<unknown>;
  const evaluate = model.evaluate.bind(model) as typeof fit;
  const federated = {
    fit: async (x: unknown, y: unknown, args: FitArgs = {}): Promise<unknown> => {
      await weights.prepare();
      if (!(await patched.wantsTraining(() => weights.read()))) {
        return { epoch: [], history: {} };
      }
      const counter = new Counter(patched.client, stepsOf(x, args));
      const signal = patched.client.signal();
      const stop = (): boolean => Reflect.set(model, 'stopTraining', true);
      signal.addEventListener('abort', stop, { once: true });
      try {
        const history = await counter.during(args, (watched) => fit(x, y, watched));
        await patched.trained(await weights.read(), counter.steps);
        return history;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    evaluate: (x: unknown, y: unknown, args?: unknown): unknown => {
      const inTask = patched.load();
      const found: unknown = evaluate(x, y, args);
      if (inTask) patched.evaluated(metricsOf(model.metricsNames, found, examplesOf(x)));
      return found;
    },
  };
  return Object.assign(model, federated);
};

/** A model's variables, by their names. */
class Weights {
  readonly #variables = new Map<string, TfVariable>();
  readonly #buffers = new Map<string, TfBuffer>();

  constructor(variables: readonly TfVariable[]) {
    for (const variable of variables) {
      const { originalName: name } = variable;
      if (this.#variables.has(name)) throw new TypeError(`two weights are named '${name}'`);
      this.#variables.set(name, variable);
    }
  }

  /** Where tensors can only be read asynchronously (WebGPU), so that `write` needn't. */
  async prepare(): Promise<void> {
    for (const [name, variable] of this.#variables) {
      if (!this.#buffers.has(name)) this.#buffers.set(name, await valueOf(variable).buffer());
    }
  }

  write(params: Tensors): void {
    for (const [name, variable] of this.#variables) {
      const { shape, dtype } = valueOf(variable);
      const given = params.get(name);
      const kind = kindOf(name, dtype);
      if (given?.dtype !== kind.dtype || given.shape.join() !== shape.join()) {
        const got = given ? `${given.dtype} [${given.shape.join()}]` : 'none';
        throw new TypeError(
          `weight '${name}': expected ${kind.dtype} [${shape.join()}], got ${got}`,
        );
      }
    }
    for (const [name, variable] of this.#variables) {
      const buffer = this.#buffers.get(name) ?? valueOf(variable).bufferSync();
      buffer.values = (params.get(name) as Tensor).data.slice();
      const tensor = buffer.toTensor() as TfTensor;
      variable.write(tensor as never);
      tensor.dispose();
    }
  }

  async read(): Promise<Tensors> {
    const params: Tensors = new Map();
    for (const [name, variable] of this.#variables) {
      const value = valueOf(variable);
      const { dtype, make } = kindOf(name, value.dtype);
      const data: TensorData = make(await value.data());
      params.set(name, { dtype, shape: [...value.shape], data });
    }
    return params;
  }
}

const valueOf = (variable: TfVariable): TfTensor => variable.read() as TfTensor;

const kindOf = (name: string, dtype: string): (typeof DTYPES)[keyof typeof DTYPES] => {
  if (dtype === 'float32' || dtype === 'int32') return DTYPES[dtype];
  throw new TypeError(`weight '${name}' is of ${dtype}: only float32 and int32 travel`);
};

/** Counts optimizer steps, and tells how far they are. */
class Counter {
  readonly #client: Client;
  readonly #of: number;
  steps = 0;

  constructor(client: Client, of: number) {
    this.#client = client;
    this.#of = of;
  }

  async during<T>(args: FitArgs, fit: (args: FitArgs) => Promise<T>): Promise<T> {
    const own: Callbacks = {
      onBatchEnd: (_batch, logs) => {
        this.steps++;
        const [step, steps] = [this.steps, Math.max(this.steps, this.#of)];
        this.#client.report({ type: 'step', step, steps, loss: logs?.loss ?? NaN });
      },
    };
    const given = args.callbacks === undefined ? [] : [args.callbacks].flat();
    const [first] = given;
    // TensorFlow.js takes its own callback objects or plain ones, not both.
    if (!first || Object.getPrototypeOf(first) === Object.prototype) {
      return fit({ ...args, callbacks: [...given, own] });
    }
    const theirs = first.onBatchEnd;
    first.onBatchEnd = async (batch, logs) => {
      own.onBatchEnd?.(batch, logs);
      await theirs?.call(first, batch, logs);
    };
    try {
      return await fit(args);
    } finally {
      if (theirs) first.onBatchEnd = theirs;
      else delete first.onBatchEnd;
    }
  }
}

/** The first dimension of the first tensor, of one, several or named ones. */
const examplesOf = (x: unknown): number => {
  const tensors = x as TfTensor | TfTensor[] | Record<string, TfTensor>;
  const first =
    Array.isArray(tensors) || !('shape' in tensors) ? Object.values(tensors)[0] : tensors;
  return (first as TfTensor | undefined)?.shape[0] ?? 0;
};

const stepsOf = (x: unknown, { epochs = 1, batchSize = 32 }: FitArgs): number =>
  epochs * Math.ceil(examplesOf(x) / batchSize);

const metricsOf = (
  names: readonly string[],
  found: unknown,
  count: number,
): Record<string, { sum: number; count: number }> => {
  const metrics: Record<string, { sum: number; count: number }> = {};
  for (const [index, scalar] of [found].flat().entries()) {
    const mean = (scalar as TfTensor).dataSync()[0] ?? NaN;
    if (Number.isFinite(mean)) metrics[names[index] ?? `${index}`] = { sum: mean * count, count };
  }
  return metrics;
};
