import * as ort from 'onnxruntime-web';
import { beforeAll, expect, test } from 'vitest';
import type { Manifest } from '../../../../core/tensors/manifest.ts';
import { encode } from '../../../../core/tensors/safetensors.ts';
import { looped } from '../../../../core/onnx/index.ts';
import { digits, programsFor } from '../../../tests/digits.ts';
import type { Dataset } from '../../dataset.ts';
import { Program } from './program.ts';
import { cosine } from './schedule.ts';
import { train } from './train.ts';
import { Trainer } from './trainer.ts';

const parts = programsFor('mlp', 0.9);
const DATA = digits('train', 0, 300);
const OPTIONS = { dataset: DATA, batchSize: 32, lr: 0.05, seed: 3 };

beforeAll(() => {
  ort.env.wasm.numThreads = 1;
});

const trainer = (): Promise<Trainer> => Trainer.load(ort, parts, { device: 'wasm' });

test('learns real digits with no server, and knows how well', async () => {
  const digit = await trainer();
  const before = await digit.evaluate(digits('t10k', 0, 500));
  await digit.train({ ...OPTIONS, dataset: digits('train', 0, 2000), epochs: 2 });
  const after = await digit.evaluate(digits('t10k', 0, 500));
  await digit.release();
  expect(digit.steps).toBe(2 * 63);
  expect(before.mean('accuracy')).toBeLessThan(0.3);
  expect(after.mean('accuracy')).toBeGreaterThan(0.7);
});

test('the same seed gives the same bytes, another one others', async () => {
  const run = async (seed: number): Promise<Uint8Array> => {
    const fresh = await trainer();
    const { params } = await fresh.train({ ...OPTIONS, seed });
    await fresh.release();
    return encode(params);
  };
  const once = await run(3);
  expect(Buffer.compare(await run(3), once)).toBe(0);
  expect(Buffer.compare(await run(4), once)).not.toBe(0);
});

test('a call goes on where the last one stopped, optimizer state and all', async () => {
  const whole = await trainer();
  const halves = await trainer();
  const inOrder = { ...OPTIONS, rng: () => 0.999999 }; // never shuffles
  const all = await whole.train({ ...inOrder, epochs: 2 });
  await halves.train(inOrder);
  const second = await halves.train(inOrder);
  expect(Buffer.compare(encode(second.params), encode(all.params))).toBe(0);
  expect(Buffer.compare(encode(halves.state), encode(whole.state))).toBe(0);
  expect(halves.steps).toBe(20);
});

test('a loop takes several steps a run, and ends with the same bytes; the last, smaller batch is a run of its own', async () => {
  const loop = looped(parts.train);
  if (!loop.ok) throw new Error(JSON.stringify(loop.error));
  const apart = await trainer();
  const together = await Trainer.load(ort, { ...parts, train: loop.value }, { device: 'wasm' });
  const seen: number[] = [];
  const options = { ...OPTIONS, epochs: 2, lr: cosine(0.1) };
  const one = await apart.train(options);
  const onStep = (step: number): number => seen.push(step);
  const many = await together.train({ ...options, stepsPerRun: 4, onStep });
  expect(seen).toEqual([4, 8, 9, 10, 14, 18, 19, 20]);
  expect(Buffer.compare(encode(many.params), encode(one.params))).toBe(0);
  expect(Buffer.compare(encode(many.state), encode(one.state))).toBe(0);
  expect(many.metrics.mean('loss')).toBeCloseTo(one.metrics.mean('loss') ?? NaN, 5);
  expect(many.metrics.examples).toBe(600);
});

test('an abort between steps leaves the model as it was', async () => {
  const stopped = await trainer();
  const stop = new AbortController();
  const seen: number[] = [];
  const onStep = (step: number): void => {
    seen.push(step);
    if (step === 3) stop.abort(new Error('enough'));
  };
  const training = stopped.train({ ...OPTIONS, signal: stop.signal, onStep });
  await expect(training).rejects.toThrow('enough');
  expect(seen).toEqual([1, 2, 3]);
  expect(stopped.params).toBe(parts.parameters);
  expect(stopped.steps).toBe(0);
});

test('data that do not fit are named before anything runs', async () => {
  const fresh = await trainer();
  const x = { data: new Uint8Array(3 * 784), shape: [3, 784] };
  const dataset: Dataset = { x, y: Int32Array.of(1, 2, 3) };
  await expect(fresh.train({ ...OPTIONS, dataset })).rejects.toThrow(
    'x.shape: expected [1, 28, 28], got [784]',
  );
});

test('a schedule gives each step its own rate', async () => {
  const rates: number[] = [];
  const schedule = cosine(0.1);
  const fresh = await trainer();
  const lr = (step: number, steps: number): number => {
    rates.push(schedule(step, steps));
    return 0;
  };
  const { params } = await fresh.train({ ...OPTIONS, lr, steps: 4 });
  expect(rates.map((rate) => Number(rate.toFixed(4)))).toEqual([0.1, 0.0854, 0.05, 0.0146]);
  expect(encode(params)).toEqual(encode(parts.parameters)); // at a rate of 0 nothing is learnt
});

test('webgpu where there is none is a fault that says what is missing; auto takes what there is', async () => {
  const { model, manifest } = parts.train;
  await expect(Program.load(ort, model, manifest, { device: 'webgpu' })).rejects.toMatchObject({
    returnCode: 'TASK_UNSUPPORTED',
    message: expect.stringContaining('navigator.gpu gives no adapter') as string,
  });
  const forGpu: Manifest = { ...manifest, target: 'webgpu' };
  expect((await Program.load(ort, model, forGpu)).device).toBe('wasm');
});

test('what a manifest lists is fed: step from 1, seed, mu, received weights, zero control', async () => {
  const fed: Record<string, unknown>[] = [];
  const scalar = (input: string, dtype: 'I64' | 'F32') => ({ input, dtype, shape: [] });
  const vector = { name: 'w', dtype: 'F32', shape: [2] } as const;
  const manifest: Manifest = {
    version: 1,
    kind: 'train',
    parameters: [{ ...vector, role: 'trainable', input: 'w', output: 'next/w' }],
    state: [],
    inputs: {
      x: { input: 'x', dtype: 'F32', shape: ['batch', 1] },
      more: [{ input: 'mask', dtype: 'I64', shape: ['batch'] }],
      y: { input: 'y', dtype: 'F32', shape: ['batch', 2] },
      lr: scalar('lr', 'F32'),
      seed: scalar('seed', 'I64'),
      step: scalar('step', 'I64'),
      mu: scalar('mu', 'F32'),
    },
    terms: [
      { ...vector, kind: 'received', input: 'received/w' },
      { ...vector, kind: 'control', input: 'control/w' },
      { ...vector, kind: 'noise', input: 'noise/w' },
    ],
    metrics: [{ name: 'loss', output: 'loss_sum', kind: 'sum' }],
  };
  const session = {
    release: () => Promise.resolve(),
    run: (feeds: Record<string, ort.Tensor>) => {
      fed.push(Object.fromEntries(Object.entries(feeds).map(([k, t]) => [k, [...copy(t)]])));
      const w = new ort.Tensor('float32', Float32Array.of(9, 9), [2]);
      return Promise.resolve({ 'next/w': w, loss_sum: new ort.Tensor('float32', [6], []) });
    },
  };
  const copy = (tensor: ort.Tensor) =>
    tensor.data as unknown as ArrayLike<number> & Iterable<number>;
  const fake = { Tensor: ort.Tensor, InferenceSession: { create: () => Promise.resolve(session) } };
  const program = await Program.load(fake, new Uint8Array(), manifest, { device: 'wasm' });
  const w = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } as const;
  const trained = await train(program, new Map([['w', w]]), {
    dataset: {
      x: { data: Float32Array.of(5, 6), shape: [2, 1] },
      y: { data: Float32Array.of(0.25, 0.75, 1, 0), shape: [2, 2] },
      more: { mask: { data: Uint8Array.of(1, 0), shape: [2] } },
    },
    batchSize: 2,
    steps: 2,
    lr: 0.5,
    seed: 11,
    mu: 0.25,
    stepsBefore: 40,
    rng: () => 0.999999,
    noise: (size) => new Float32Array(size).fill(0.5),
  });
  const same = {
    x: [5, 6],
    mask: [1n, 0n],
    y: [0.25, 0.75, 1, 0],
    lr: [0.5],
    seed: [11n],
    mu: [0.25],
    'received/w': [1, 2],
    'control/w': [0, 0],
    'noise/w': [0.5, 0.5],
  };
  expect(fed).toEqual([
    { ...same, w: [1, 2], step: [41n] },
    { ...same, w: [9, 9], step: [42n] },
  ]);
  expect(trained.metrics.mean('loss')).toBe(3);
});
