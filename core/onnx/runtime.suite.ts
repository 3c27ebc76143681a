/** Runs programs on ONNX Runtime Web (WASM, one thread), for this room's tests; and reads their vectors. */
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype } from '../tensors/dtype.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import type { Program } from './program.ts';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const ORT_TYPES: Partial<Record<Dtype, ort.Tensor.Type>> = {
  F32: 'float32',
  F64: 'float64',
  U8: 'uint8',
  I32: 'int32',
  I64: 'int64',
  BOOL: 'bool',
};
const DTYPE_OF = new Map(Object.entries(ORT_TYPES).map(([dtype, type]) => [type, dtype as Dtype]));

const toOrt = ({ dtype, shape, data }: Tensor): ort.Tensor => {
  const type = ORT_TYPES[dtype];
  if (type === undefined) throw new TypeError(`the tests don't feed ${dtype}`);
  return new ort.Tensor(type, data as Float32Array, shape);
};

const fromOrt = ({ type, dims, data }: ort.Tensor): Tensor => {
  const dtype = DTYPE_OF.get(type);
  if (dtype === undefined) throw new TypeError(`the tests don't read ${type}`);
  return { dtype, shape: dims, data: data as Float32Array };
};

export interface Session {
  run(feeds: Tensors): Promise<Tensors>;
  release(): Promise<void>;
}

export const open = async (model: Uint8Array): Promise<Session> => {
  const session = await ort.InferenceSession.create(model);
  return {
    async run(feeds) {
      const inputs = Object.fromEntries(
        session.inputNames.map((name) => {
          const tensor = feeds.get(name);
          if (tensor === undefined) throw new Error(`no feed for ${name}`);
          return [name, toOrt(tensor)];
        }),
      );
      const outputs = await session.run(inputs);
      return new Map(Object.entries(outputs).map(([name, tensor]) => [name, fromOrt(tensor)]));
    },
    release: () => session.release(),
  };
};

export const f32 = (shape: readonly number[], values: ArrayLike<number>): Tensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(values),
});

export const zeros = ({ dtype, shape }: { dtype: Dtype; shape: readonly number[] }): Tensor => ({
  dtype,
  shape,
  data: new DTYPES[dtype].array(shape.reduce((a, b) => a * b, 1)),
});

export const scalarOf = (tensors: Tensors, name: string): number => {
  const tensor = tensors.get(name);
  if (tensor?.data.length !== 1) throw new Error(`${name} is not a scalar`);
  return Number(tensor.data[0]);
};

/** Largest absolute difference, and the largest absolute value of `expected`. */
export const distance = (
  got: Tensor | undefined,
  expected: Tensor,
): { by: number; scale: number } => {
  if (got === undefined) return { by: Infinity, scale: 0 };
  if (got.shape.join() !== expected.shape.join()) {
    throw new Error(`expected shape [${expected.shape.join()}], got [${got.shape.join()}]`);
  }
  let [by, scale] = [0, 0];
  for (let i = 0; i < expected.data.length; i++) {
    const [a, b] = [Number(got.data[i]), Number(expected.data[i])];
    if (!(Math.abs(a - b) <= by)) by = Math.abs(a - b);
    scale = Math.max(scale, Math.abs(b));
  }
  return { by, scale };
};

/** The state of a training run: parameters and optimizer state by graph input. */
export class Trainer {
  readonly #program: Program;
  readonly #session: Session;
  readonly #feeds: Tensors = new Map();
  #steps = 0;

  private constructor(program: Program, session: Session, parameters: Tensors) {
    this.#program = program;
    this.#session = session;
    for (const { input, name } of program.manifest.parameters) {
      const tensor = parameters.get(name);
      if (tensor !== undefined) this.#feeds.set(input, tensor);
    }
    for (const state of program.manifest.state) this.#feeds.set(state.input, zeros(state));
  }

  static async start(program: Program, parameters: Tensors): Promise<Trainer> {
    return new Trainer(program, await open(program.model), parameters);
  }

  /**
   * One step; answers the mean loss and the count of correct answers (NaN where there is none) before it. `more`: other
   * inputs, by name.
   */
  async step(
    x: Tensor,
    y: Tensor,
    lr: number,
    more: Tensors = new Map(),
  ): Promise<{ loss: number; correct: number; examples: number }> {
    const { inputs, parameters, state, metrics } = this.#program.manifest;
    const feeds = new Map(this.#feeds);
    feeds.set(inputs.x.input, x);
    feeds.set(inputs.y?.input ?? '', y);
    feeds.set(inputs.lr?.input ?? '', f32([], [lr]));
    feeds.set(inputs.step?.input ?? '', f32([], [++this.#steps]));
    const out = await this.#session.run(new Map([...feeds, ...more]));
    for (const { input, output } of [...parameters, ...state]) {
      const next = output === undefined ? undefined : out.get(output);
      if (next !== undefined) this.#feeds.set(input, next);
    }
    const examples = scalarOf(out, 'examples');
    const count = metrics.find(({ name }) => name === 'loss')?.count;
    return {
      loss: scalarOf(out, 'loss_sum') / (count === undefined ? examples : scalarOf(out, count)),
      correct: out.has('correct') ? scalarOf(out, 'correct') : NaN,
      examples,
    };
  }

  get parameters(): Tensors {
    return new Map(
      this.#program.manifest.parameters.flatMap(({ name, input }): [string, Tensor][] => {
        const tensor = this.#feeds.get(input);
        return tensor === undefined ? [] : [[name, tensor]];
      }),
    );
  }
}

/** A tensor as `make.py` writes it. */
export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: string;
}

export const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(base64, 'base64'));

export const tensorOf = ({ dtype, shape, data }: StoredTensor): Tensor => ({
  dtype,
  shape,
  data: new DTYPES[dtype].array(bytesOf(data).buffer),
});

/** A file under tests/vectors/onnx, made by `make.py` there. */
export const vector = (name: string): unknown =>
  JSON.parse(
    readFileSync(new URL(`../../tests/vectors/onnx/${name}.json`, import.meta.url), 'utf8'),
  );

/** mulberry32: uniform in [0, 1). */
export const seeded = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};
