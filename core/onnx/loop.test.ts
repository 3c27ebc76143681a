import { describe, expect, test } from 'vitest';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import type { DifferentiateOptions } from './differentiate.ts';
import { looped } from './loop.ts';
import type { Program } from './program.ts';
import { f32, open, scalarOf, zeros } from './runtime.suite.ts';
import { bytes, labels, lenet, programsOf, small } from './small-models.suite.ts';

const RATES = [0.05, 0.04, 0.03, 0.02];

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

const loopOf = (program: Program): Program => {
  const loop = looped(program);
  if (!loop.ok) throw new Error(JSON.stringify(loop.error));
  return loop.value;
};

const begin = ({ manifest }: Program, parameters: Tensors): Tensors =>
  new Map([
    ...manifest.parameters.map(({ input, name }) => {
      const tensor = parameters.get(name);
      if (!tensor) throw new Error(`no ${name}`);
      return [input, tensor] as const;
    }),
    ...manifest.state.map((state) => [state.input, zeros(state)] as const),
  ]);

/** Bits of what a program carries from step to step, by name. */
const bitsOf = ({ manifest }: Program, outputs: Tensors): Record<string, string> =>
  Object.fromEntries(
    [...manifest.parameters, ...manifest.state].flatMap(({ name, output = '' }) => {
      const data = outputs.get(output)?.data;
      return data === undefined
        ? []
        : [[name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')]];
    }),
  );

/** One step a run. */
const single = async (program: Program, parameters: Tensors, batches: readonly Batch[]) => {
  const session = await open(program.model);
  const { inputs, parameters: specs, state } = program.manifest;
  const feeds = begin(program, parameters);
  const losses: number[] = [];
  let outputs: Tensors = new Map();
  for (const [i, { x, y }] of batches.entries()) {
    feeds.set(inputs.x.input, x).set(inputs.y?.input ?? '', y);
    feeds.set(inputs.lr?.input ?? '', f32([], [RATES[i] ?? 0]));
    feeds.set(inputs.step?.input ?? '', f32([], [i + 1]));
    outputs = await session.run(feeds);
    for (const { input, output = '' } of [...specs, ...state]) {
      const next = outputs.get(output);
      if (next) feeds.set(input, next);
    }
    losses.push(scalarOf(outputs, 'loss_sum'));
  }
  await session.release();
  return { losses, bits: bitsOf(program, outputs) };
};

const stacked = (tensors: readonly Tensor[]): Tensor => {
  const [{ dtype, shape, data }] = tensors as [Tensor];
  const all = data.slice(0, 0).constructor as new (values: number[]) => Tensor['data'];
  const values = tensors.flatMap((tensor) => Array.from(tensor.data as Float32Array));
  return { dtype, shape: [tensors.length, ...shape], data: new all(values) };
};

/** All steps in one run. */
const together = async (program: Program, parameters: Tensors, batches: readonly Batch[]) => {
  const session = await open(program.model);
  const { inputs, metrics } = program.manifest;
  const n = batches.length;
  const feeds = begin(program, parameters);
  feeds.set(inputs.x.input, stacked(batches.map(({ x }) => x)));
  feeds.set(inputs.y?.input ?? '', stacked(batches.map(({ y }) => y)));
  feeds.set(inputs.lr?.input ?? '', f32([n], RATES.slice(0, n)));
  feeds.set(
    inputs.step?.input ?? '',
    f32(
      [n],
      batches.map((_, i) => i + 1),
    ),
  );
  const outputs = await session.run(feeds);
  await session.release();
  const loss = outputs.get(metrics.find(({ name }) => name === 'loss')?.output ?? '');
  return { losses: Array.from(loss?.data as Float32Array), bits: bitsOf(program, outputs) };
};

const OPTIMIZERS: Record<string, DifferentiateOptions['optimizer']> = {
  'plain SGD': { name: 'sgd' },
  'SGD with momentum': { name: 'sgd', momentum: 0.9, weightDecay: 1e-4 },
  'Adam, which counts its steps': { name: 'adam' },
};

describe.each(Object.entries(OPTIMIZERS))('%s', (_, optimizer) => {
  test.each([
    ['an MLP', small, [1, 4, 4]],
    ['a CNN', lenet, [1, 16, 16]],
  ] as const)(
    '%s: steps in a loop are those of single runs, bit for bit',
    async (_, model, shape) => {
      const { train, parameters } = programsOf(model(), { optimizer });
      for (const [steps, size] of [
        [4, 6],
        [1, 3],
      ] as const) {
        const batches = Array.from({ length: steps }, (_, i) => ({
          x: bytes([size, ...shape], i),
          y: labels(size, 3),
        }));
        const apart = await single(train, parameters, batches);
        const loop = await together(loopOf(train), parameters, batches);
        expect(loop.losses).toEqual(apart.losses);
        expect(Object.keys(loop.bits).length).toBeGreaterThanOrEqual(4);
        expect(loop.bits).toEqual(apart.bits);
      }
    },
  );
});

test('frozen weights come once, from outside', async () => {
  const { train, parameters } = programsOf(small(), { trainable: ['fc2.*'] });
  const batches = [0, 1, 2].map((i) => ({ x: bytes([2, 1, 4, 4], i), y: labels(2, 3) }));
  const apart = await single(train, parameters, batches);
  const loop = loopOf(train);
  expect(await together(loop, parameters, batches)).toEqual(apart);
  expect(loop.manifest.parameters[0]).toEqual(train.manifest.parameters[0]);
});

test('only a train program is looped, and once', () => {
  const { train, evaluate } = programsOf(small());
  for (const program of [evaluate, loopOf(train)]) {
    expect(looped(program)).toMatchObject({ ok: false, error: { reason: 'bad_option' } });
  }
});
