/** Trains a model that PyTorch exported beside PyTorch's own record of the same steps (tests/vectors/onnx/models.py). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Manifest } from '../tensors/manifest.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { decodeModel } from './codec.ts';
import { differentiate } from './differentiate.ts';
import type { DifferentiateOptions, Programs } from './differentiate.ts';
import { describeFault } from './fault.ts';
import { withoutShared } from './import/identities.ts';
import { distance, f32, open, scalarOf, seeded, tensorOf, zeros } from './runtime.suite.ts';
import type { StoredTensor } from './runtime.suite.ts';

/** What PyTorch did. */
export interface Training {
  /** Float tensors of state_dict, in its order. */
  readonly order: readonly string[];
  readonly seed: number;
  readonly batch: number;
  readonly input: { readonly shape: readonly number[]; readonly integers?: number };
  readonly classes: number;
  /** Positions of an example that each have a label. */
  readonly positions: readonly number[];
  readonly optimizer: { readonly lr: number; readonly momentum: number };
  /** How far PyTorch itself in float32 is from float64, relatively: nobody follows closer than that. */
  readonly rounding: {
    readonly losses: number;
    readonly weights: number;
    readonly statistics: number;
  };
  readonly losses: readonly number[];
  readonly weights: Readonly<
    Record<string, { shape: readonly number[]; norm: number; first: readonly number[] }>
  >;
  readonly statistics: Readonly<Record<string, StoredTensor>>;
}

const SMALL = new URL('../../tests/vectors/onnx/models/', import.meta.url);

export const trainingOf = (name: string, folder: string | URL = SMALL): Training =>
  JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Training;

export const modelOf = (
  name: string,
  exporter: string,
  folder: string | URL = SMALL,
): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`${name}.${exporter}.onnx`, folder)));

/** The model's first weights as state_dict has them: out of the export with the flags that keep them. */
export const stateDictOf = (name: string, folder: string | URL = SMALL): Tensors => {
  const { initializers } = withoutShared(decodeModel(modelOf(name, 'old', folder)));
  return new Map(
    trainingOf(name, folder).order.flatMap((key): [string, Tensor][] => {
      const tensor = initializers.get(key);
      return tensor === undefined ? [] : [[key, tensor]];
    }),
  );
};

export const programsOf = (
  model: Uint8Array,
  { positions, optimizer }: Training,
  options: Partial<DifferentiateOptions> = {},
): Programs => {
  const result = differentiate(model, {
    // Of a sequence the classes come last, as everywhere but in PyTorch's loss; of an image second.
    loss: { name: 'softmax-cross-entropy', axis: positions.length === 1 ? -1 : 1 },
    optimizer: { name: 'sgd', momentum: optimizer.momentum },
    ...options,
  });
  if (!result.ok) throw new Error(describeFault(result.error));
  return result.value;
};

const draw = (rng: () => number, shape: readonly number[], integers?: number): Tensor => {
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, rng);
  return integers === undefined
    ? f32(
        shape,
        values.map((value) => value * 2 - 1),
      )
    : {
        dtype: 'I64',
        shape,
        data: BigInt64Array.from(values, (value) => BigInt(Math.floor(value * integers))),
      };
};

const toI32 = ({ shape, data }: Tensor): Tensor => ({
  dtype: 'I32',
  shape,
  data: Int32Array.from(data, Number),
});

const meanLoss = (out: Tensors, { metrics }: Manifest): number => {
  const loss = metrics.find(({ name }) => name === 'loss');
  return scalarOf(out, loss?.output ?? '') / scalarOf(out, loss?.count ?? 'examples');
};

/** Takes PyTorch's steps on the same batches: the losses, and the weights after the last. */
const follow = async (
  { train, parameters }: Programs,
  training: Training,
): Promise<{ losses: readonly number[]; weights: Tensors }> => {
  const { manifest } = train;
  const session = await open(train.model);
  const feeds: Tensors = new Map();
  for (const { name, input } of manifest.parameters) {
    const tensor = parameters.get(name);
    if (tensor !== undefined) feeds.set(input, tensor);
  }
  for (const state of manifest.state) feeds.set(state.input, zeros(state));
  const rng = seeded(training.seed);
  const losses: number[] = [];
  for (const [step] of training.losses.entries()) {
    const size = training.batch - (step === training.losses.length - 1 ? 1 : 0);
    const { x, y, lr } = manifest.inputs;
    feeds.set(x.input, draw(rng, [size, ...training.input.shape], training.input.integers));
    feeds.set(y?.input ?? '', toI32(draw(rng, [size, ...training.positions], training.classes)));
    feeds.set(lr?.input ?? '', f32([], [training.optimizer.lr]));
    const out = await session.run(feeds);
    for (const { input, output } of [...manifest.parameters, ...manifest.state]) {
      const next = output === undefined ? undefined : out.get(output);
      if (next !== undefined) feeds.set(input, next);
    }
    losses.push(meanLoss(out, manifest));
  }
  await session.release();
  const weights = manifest.parameters.map(({ name, input }): [string, Tensor] => [
    name,
    feeds.get(input) ?? f32([0], []),
  ]);
  return { losses, weights: new Map(weights) };
};

const normOf = (data: Iterable<number | bigint>): number => {
  let sum = 0;
  for (const value of data) sum += Number(value) ** 2;
  return Math.sqrt(sum);
};

/**
 * Every loss within 1e-3 of PyTorch's (of a model that rounding alone moves by more than a third of that: three times as
 * much), the last weights and running statistics too, all under PyTorch's names.
 */
export const expectCurve = async (programs: Programs, training: Training): Promise<void> => {
  const { losses, weights } = await follow(programs, training);
  const within = (rounding: number): number => Math.max(1e-3, 3 * rounding);
  const [loose, close] = [within(training.rounding.weights), within(training.rounding.statistics)];
  losses.forEach((loss, step) => {
    const expected = training.losses[step] ?? NaN;
    expect(
      Math.abs(loss - expected) / expected,
      `loss ${loss} of step ${step + 1} should be ${expected}`,
    ).toBeLessThanOrEqual(within(training.rounding.losses));
  });
  for (const [name, { shape, norm, first }] of Object.entries(training.weights)) {
    const weight = weights.get(name);
    expect(weight?.shape, name).toEqual(shape);
    const length = normOf(weight?.data ?? []);
    expect(Math.abs(length - norm), `norm of ${name}`).toBeLessThanOrEqual(
      2 * loose * norm + loose,
    );
    first.forEach((value, i) =>
      expect(Math.abs(Number(weight?.data[i]) - value), `${name}[${i}]`).toBeLessThanOrEqual(
        loose * (norm + 0.1),
      ),
    );
  }
  for (const [name, stored] of Object.entries(training.statistics)) {
    const { by, scale } = distance(weights.get(name), tensorOf(stored));
    expect(by, `${name} is off by ${by}`).toBeLessThanOrEqual(close * (scale + 0.1));
  }
};
