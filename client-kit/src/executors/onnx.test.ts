import * as ort from 'onnxruntime-web';
import { beforeAll, expect, test } from 'vitest';
import type { Manifest } from '../../../core/tensors/manifest.ts';
import { encode } from '../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import { looped } from '../../../core/onnx/index.ts';
import { digits, programsFor } from '../../tests/digits.ts';
import { digestOfBytes, FakeServer } from '../../tests/fake-server.ts';
import type { FakeTask } from '../../tests/fake-server.ts';
import type { Dataset } from '../dataset.ts';
import type { SiteEvent } from '../event.ts';
import { runSite } from '../site.ts';
import type { SiteOptions } from '../site.ts';
import { MemoryStore } from '../store.ts';

const programs = programsFor('mlp', 0.9);
const loop = looped(programs.train);
if (!loop.ok) throw new Error(JSON.stringify(loop.error));
const MODEL = encode(programs.parameters);
const DATA = { x: { shape: [1, 28, 28], dtype: 'U8' as const }, y: { classes: 10 } };
const ARGS = { epochs: 1, batchSize: 32, lr: 0.05, validationFraction: 0.2 };

beforeAll(() => {
  ort.env.wasm.numThreads = 1;
});

interface Serve {
  readonly tasks: FakeTask[];
  readonly args?: Record<string, unknown>;
  readonly data?: () => Dataset;
  readonly store?: MemoryStore;
  readonly until?: (event: SiteEvent) => boolean;
  readonly train?: Uint8Array;
  readonly loop?: boolean;
  readonly options?: Partial<SiteOptions>;
}

const programOf = (server: FakeServer, program: { model: Uint8Array; manifest: Manifest }) => ({
  blob: server.addBlob(new Uint8Array(program.model)),
  manifest: program.manifest,
});

/** Weights of the wrong sign: nothing good comes of training these for a round. */
const spoiled = (model: Tensors): Tensors =>
  new Map(
    Array.from(model, ([name, tensor]) => [
      name,
      { ...tensor, data: (tensor.data as Float32Array).map((value) => -30 * value) },
    ]),
  );

const serve = async (server: FakeServer, serving: Serve): Promise<SiteEvent[]> => {
  const { tasks, args = {} } = serving;
  server.addJob(
    'j',
    {
      seed: 7,
      data: DATA,
      programs: {
        train: programOf(server, {
          ...(serving.loop ? loop.value : programs.train),
          ...(serving.train && { model: serving.train }),
        }),
        evaluate: programOf(server, programs.evaluate),
      },
      executors: [{ tasks: ['*'], use: 'onnx', args: { ...ARGS, ...args } }],
    },
    tasks,
  ).ended = true;
  return serveJobs(server, serving);
};

const serveJobs = async (
  server: FakeServer,
  serving: Omit<Serve, 'tasks' | 'args' | 'train'>,
): Promise<SiteEvent[]> => {
  const { data = () => digits('train', 0, 500), store, options } = serving;
  const events: SiteEvent[] = [];
  const stop = new AbortController();
  await runSite({
    server: server.url,
    fetch: server.fetch,
    name: 'hospital-a',
    enrolment: 'ticket',
    store: store ?? new MemoryStore(),
    ort,
    data,
    signal: stop.signal,
    ...options,
    onEvent: (event) => {
      events.push(event);
      if ((serving.until ?? (({ type }) => type === 'job-ended'))(event)) stop.abort();
    },
  });
  return events;
};

interface Header {
  readonly return_code: string;
  readonly params_type?: string;
  readonly metrics?: Record<string, { sum: number; count: number }>;
  readonly meta?: Record<string, unknown>;
}
const resultOf = (server: FakeServer, task: string): { tensors: Tensors; header: Header } =>
  server.tensorsOf(task) as unknown as { tensors: Tensors; header: Header };

/** Of a result's tensors: where they differ, a list of a hundred thousand differences tells nobody anything. */
const digestAt = (server: FakeServer, task: string): string =>
  digestOfBytes(encode(resultOf(server, task).tensors));

const accuracy = ({ metrics }: Header): number =>
  (metrics?.['accuracy']?.sum ?? NaN) / (metrics?.['accuracy']?.count ?? NaN);

test('trains on real digits: metrics describe the model received, and the trained one is better', async () => {
  const server = new FakeServer();
  const events = await serve(server, {
    data: () => digits('train', 0, 2000),
    tasks: [
      { id: 't', name: 'train', model: MODEL },
      { id: 'own', name: 'submit_model', data: { name: 'last' }, paramsType: 'FULL' },
    ],
  });
  const { tensors, header } = resultOf(server, 't');
  expect(header.metrics?.['accuracy']?.count).toBe(400);
  expect(header.metrics?.['loss']?.count).toBe(400);
  expect(accuracy(header)).toBeLessThan(0.3);
  expect(header.meta).toMatchObject({ NUM_STEPS_CURRENT_ROUND: 50 });
  expect(header.params_type).toBe('FULL');
  const local = events.find((event) => event.type === 'evaluated' && event.model === 'local');
  if (local?.type !== 'evaluated') throw new Error('not evaluated');
  expect((local.metrics['accuracy']?.sum ?? 0) / 400).toBeGreaterThan(0.8);
  const { tensors: own } = resultOf(server, 'own');
  expect(encode(own)).toEqual(encode(tensors));
  expect(server.metrics.map(({ key }) => key).sort()).toEqual([
    'local_accuracy',
    'local_loss',
    'train_loss',
  ]);
  // Another site judges it on digits that this one never had.
  const other = new FakeServer();
  await serve(other, {
    data: () => digits('t10k', 0, 1000),
    args: { validationFraction: 0.9 },
    tasks: [{ id: 'v', name: 'validate', data: { owner: 'hospital-a' }, model: encode(own) }],
  });
  const verdict = resultOf(other, 'v').header;
  expect(verdict.metrics?.['accuracy']?.count).toBe(900);
  expect(accuracy(verdict)).toBeGreaterThan(0.75);
});

test('the last, smaller batch counts: steps are ceil(examples / batch) a pass; `steps` takes the place of epochs', async () => {
  const server = new FakeServer();
  const data = () => digits('train', 0, 101);
  await serve(server, {
    data,
    args: { epochs: 3 },
    tasks: [{ id: 'a', name: 'train', model: MODEL }],
  });
  // 101 - 20 held out = 81: batches of 32, 32, 17.
  expect(resultOf(server, 'a').header.meta).toMatchObject({
    NUM_STEPS_CURRENT_ROUND: 9,
    NUM_EXAMPLES_CURRENT_ROUND: 81,
  });
  const other = new FakeServer();
  await serve(other, {
    data,
    args: { steps: 5 },
    tasks: [{ id: 'a', name: 'train', model: MODEL }],
  });
  expect(resultOf(other, 'a').header.meta).toMatchObject({ NUM_STEPS_CURRENT_ROUND: 5 });
});

test('a site killed in mid-training repeats its task bit for bit, with the optimizer’s kept state', async () => {
  const tasks = (): FakeTask[] =>
    [0, 1].map((round) => ({ id: `t${round}`, name: 'train', round, model: MODEL }));
  const args = { optimizerState: 'keep', epochs: 2 };
  const calm = new FakeServer();
  await serve(calm, { tasks: tasks(), args });
  const rough = new FakeServer();
  const store = new MemoryStore();
  // Killed in the second round's training, and again with its result in the outbox.
  await serve(rough, {
    tasks: tasks(),
    args,
    store,
    until: (event) => event.type === 'step' && event.task.round === 1,
  });
  expect(rough.results.has('t1')).toBe(false);
  rough.trouble('PUT', /t1.result/, 'lose-request');
  await serve(rough, { tasks: tasks(), args, store, until: ({ type }) => type === 'retry' });
  await serve(rough, { tasks: tasks(), args, store });
  for (const id of ['t0', 't1']) {
    expect(rough.results.get(id)?.body).toEqual(calm.results.get(id)?.body);
  }
  // The state matters: without it the second round comes out differently.
  const reset = new FakeServer();
  await serve(reset, { tasks: tasks(), args: { ...args, optimizerState: 'reset' } });
  expect(reset.results.get('t0')?.body).toEqual(calm.results.get('t0')?.body);
  expect(reset.results.get('t1')?.body).not.toEqual(calm.results.get('t1')?.body);
});

test('a loop of steps gives the bytes that single steps give', async () => {
  const digests: string[] = [];
  for (const loop of [false, true]) {
    const server = new FakeServer();
    const args = { epochs: 2, batchSize: 32 };
    await serve(server, { loop, args, tasks: [{ id: 't', name: 'train', model: MODEL }] });
    expect(resultOf(server, 't').header.meta).toMatchObject({ NUM_STEPS_CURRENT_ROUND: 26 });
    digests.push(digestAt(server, 't'));
  }
  expect(digests[1]).toBe(digests[0]);
});

test('DIFF is against the bytes received', async () => {
  const server = new FakeServer();
  const other = new FakeServer();
  const tasks: FakeTask[] = [{ id: 't', name: 'train', model: MODEL }];
  await serve(server, { tasks });
  await serve(other, { tasks, args: { transferType: 'DIFF' } });
  const full = resultOf(server, 't').tensors;
  const diff = resultOf(other, 't').tensors;
  for (const [name, { data }] of diff) {
    const whole = full.get(name)?.data as Float32Array;
    const base = programs.parameters.get(name)?.data as Float32Array;
    expect(data).toEqual(whole.map((value, i) => value - (base[i] ?? NaN)));
  }
});

test.for<[string, () => Dataset, RegExp]>([
  [
    'shape',
    () => ({ ...digits('train', 0, 10), x: { data: new Uint8Array(7840), shape: [10, 784] } }),
    /x\.shape: expected \[1, 28, 28\], got \[784\]/,
  ],
  [
    'dtype',
    () => ({ ...digits('train', 0, 1), x: { data: new Float32Array(784), shape: [1, 1, 28, 28] } }),
    /x\.dtype: expected U8 \(Uint8Array\), got Float32Array/,
  ],
  [
    'too few bytes',
    () => ({ ...digits('train', 0, 2), x: { data: new Uint8Array(784), shape: [2, 1, 28, 28] } }),
    /x\.data: expected 1568 elements, got 784/,
  ],
  [
    'too few labels',
    () => ({ ...digits('train', 0, 2), y: Int32Array.of(1) }),
    /y: expected 2 labels, got 1/,
  ],
  [
    'a label out of range',
    () => ({ ...digits('train', 0, 2), y: Int32Array.of(1, 10) }),
    /y: expected classes 0 to 9/,
  ],
  [
    'no data',
    () => {
      throw new Error('/home/alice/secret.npz: no such file');
    },
    /the data can not be read/,
  ],
])('BAD_TASK_DATA before any training: %s', async ([, data, says]) => {
  const server = new FakeServer();
  const events = await serve(server, { data, tasks: [{ id: 't', name: 'train', model: MODEL }] });
  const { header } = resultOf(server, 't');
  expect(header.return_code).toBe('BAD_TASK_DATA');
  expect(header.meta?.['detail']).toMatch(says);
  expect(events.filter(({ type }) => type === 'step')).toEqual([]);
});

test('a site without examples answers EMPTY_RESULT', async () => {
  const server = new FakeServer();
  await serve(server, {
    data: () => digits('train', 0, 0),
    tasks: [
      { id: 't', name: 'train', model: MODEL },
      { id: 's', name: 'submit_model' },
      { id: 'v', name: 'validate', model: MODEL },
    ],
  });
  expect(['t', 's', 'v'].map((id) => resultOf(server, id).header.return_code)).toEqual([
    'EMPTY_RESULT',
    'EMPTY_RESULT',
    'EMPTY_RESULT',
  ]);
});

test('a program that ONNX Runtime can’t load, and a model that isn’t the program’s, are MODEL_UNRECOGNIZED', async () => {
  const server = new FakeServer();
  const train = new Uint8Array([8, 8, 58, 3, 1, 2, 3]);
  await serve(server, { train, tasks: [{ id: 't', name: 'train', model: MODEL }] });
  expect(resultOf(server, 't').header.return_code).toBe('MODEL_UNRECOGNIZED');
  const other = new FakeServer();
  const model = encode(new Map([['w', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]));
  await serve(other, { tasks: [{ id: 't', name: 'train', model }] });
  expect(resultOf(other, 't').header).toMatchObject({ return_code: 'MODEL_UNRECOGNIZED' });
});

test('an abort comes through between steps', async () => {
  const server = new FakeServer();
  const events = await serve(server, {
    args: { epochs: 1_000_000 },
    tasks: [{ id: 't', name: 'train', model: MODEL, leaseS: 0.2 }],
    options: {},
    until: (event) => {
      if (event.type === 'step') server.jobs.get('j')?.closed.add('t');
      return event.type === 'job-ended';
    },
  });
  expect(events.map(({ type }) => type)).toContain('aborted');
  expect(server.results.size).toBe(0);
});

test('the optimizer’s state stays in its workflow, and so does the best model', async () => {
  const round = (workflow: string, n: number): FakeTask => ({
    id: `${workflow}${n}`,
    name: 'train',
    workflow,
    round: n,
    model: workflow === 'a' ? MODEL : encode(spoiled(programs.parameters)),
  });
  const args = { optimizerState: 'keep', epochs: 2 };
  const best = { name: 'best' };
  const both = new FakeServer();
  await serve(both, {
    args,
    tasks: [
      round('a', 0),
      round('a', 1),
      // Worse than what the first workflow made, and yet the best of its own.
      round('b', 0),
      { id: 'own', name: 'submit_model', workflow: 'eval', data: best, paramsType: 'FULL' },
    ],
  });
  const alone = new FakeServer();
  await serve(alone, { args, tasks: [round('b', 0)] });
  expect(digestAt(both, 'b0')).toBe(digestAt(alone, 'b0'));
  expect(digestAt(both, 'own')).toBe(digestAt(both, 'b0'));
});

test('what one executor trains on, another doesn’t validate on', async () => {
  const server = new FakeServer();
  const { blob, manifest } = programOf(server, programs.evaluate);
  const train = programOf(server, programs.train);
  server.addJob(
    'j',
    {
      seed: 7,
      data: DATA,
      programs: { train, evaluate: { blob, manifest } },
      executors: [
        { tasks: ['train'], use: 'onnx', args: { ...ARGS, validationFraction: 0.1 } },
        { tasks: ['*'], use: 'onnx', args: { ...ARGS, validationFraction: 0.5 } },
      ],
    },
    [
      { id: 't', name: 'train', model: MODEL },
      { id: 'v', name: 'validate', data: { owner: 'global' }, model: MODEL },
    ],
  ).ended = true;
  await serveJobs(server, { data: () => digits('train', 0, 500) });
  expect(resultOf(server, 't').header.metrics?.['accuracy']?.count).toBe(50);
  expect(resultOf(server, 'v').header.metrics).toEqual(resultOf(server, 't').header.metrics);
});

test('the task’s explicit wish comes before the executor’s', async () => {
  const server = new FakeServer();
  await serve(server, {
    data: () => digits('train', 0, 1000),
    args: { which: 'best' },
    tasks: [
      { id: 'good', name: 'train', model: MODEL },
      { id: 'bad', name: 'train', round: 1, model: encode(spoiled(programs.parameters)) },
      { id: 'last', name: 'submit_model', data: { name: 'last' }, paramsType: 'FULL' },
      { id: 'either', name: 'submit_model', data: {}, paramsType: 'FULL' },
    ],
  });
  expect(digestAt(server, 'last')).toBe(digestAt(server, 'bad'));
  expect(digestAt(server, 'either')).toBe(digestAt(server, 'good'));
});

test('submit_model gives the best by the site’s validation split where that is asked', async () => {
  const server = new FakeServer();
  await serve(server, {
    data: () => digits('train', 0, 1000),
    args: { lr: 0.05 },
    tasks: [
      { id: 'good', name: 'train', model: MODEL },
      // One step from an untrained model: worse than the first.
      { id: 'bad', name: 'train', round: 1, model: encode(programsFor('mlp', 0).parameters) },
      { id: 'best', name: 'submit_model', data: { name: 'best' }, paramsType: 'FULL' },
      { id: 'last', name: 'submit_model', data: { name: 'last' }, paramsType: 'FULL' },
    ],
  });
  const best = resultOf(server, 'best').tensors;
  const last = resultOf(server, 'last').tensors;
  expect(encode(last)).toEqual(encode(resultOf(server, 'bad').tensors));
  const scores = server.metrics
    .filter(({ key }) => key === 'local_accuracy')
    .map(({ value }) => Number(value));
  const winner = (scores[1] ?? 0) > (scores[0] ?? 0) ? 'bad' : 'good';
  expect(encode(best)).toEqual(encode(resultOf(server, winner).tensors));
});
