import { afterEach, expect, test } from 'vitest';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { FakeServer } from '../tests/fake-server.ts';
import type { FakeTask } from '../tests/fake-server.ts';
import * as flare from './client-api.ts';
import { Client } from './client.ts';
import { checkedModel, encodeResult } from './fl-model.ts';
import type { FLModel } from './fl-model.ts';
import { MemoryStore } from './store.ts';
import type { Store } from './store.ts';
import { Turnstile } from './turnstile.ts';

const numbers = (...data: number[]): Tensors =>
  new Map([['w', { dtype: 'F32', shape: [data.length], data: Float32Array.from(data) }]]);

const plusOne = (model: FLModel): FLModel => {
  const params: Tensors = new Map();
  for (const [name, tensor] of model.params ?? []) {
    const data = (tensor.data as Float32Array).map((value) => value + 1);
    params.set(name, { ...tensor, data });
  }
  return { params, metrics: { loss: 0.5 }, meta: { NUM_STEPS_CURRENT_ROUND: 2 } };
};

const serverWith = (tasks: FakeTask[], args: Record<string, unknown> = {}): FakeServer => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app', args }] }, tasks).ended = true;
  return server;
};

const optionsFor = (server: FakeServer) => ({
  server: server.url,
  fetch: server.fetch,
  name: 'hospital-a',
  enrolment: 'ticket',
});

const roundOf = (round: number): FakeTask => ({
  id: `t${round}`,
  name: 'train',
  round,
  model: encode(numbers(round, 10)),
});
const FIRST = roundOf(0);
const ROUNDS = [FIRST, roundOf(1), roundOf(2)];

afterEach(() => flare.shutdown());

test('FLARE’s loop: init, isRunning, receive, send', async () => {
  const server = serverWith(ROUNDS, { transferType: 'DIFF', dropout: 0.1 });
  await flare.init(optionsFor(server));
  expect(flare.getSiteName()).toBe('hospital-a');
  const rounds: unknown[] = [];
  while (await flare.isRunning()) {
    const model = await flare.receive();
    if (!model) break;
    expect(await flare.receive()).toEqual(model);
    rounds.push([model.currentRound, model.totalRounds, model.paramsType]);
    expect([flare.isTrain(), flare.isEvaluate(), flare.isSubmitModel()]).toEqual([
      true,
      false,
      false,
    ]);
    expect(flare.systemInfo()).toEqual({ jobId: 'j', siteName: 'hospital-a' });
    expect(flare.getConfig().args).toMatchObject({ dropout: 0.1 });
    flare.log('loss', 0.25, { step: model.currentRound ?? 0 });
    expect(await flare.send(plusOne(model))).toBe('accepted');
  }
  expect(rounds).toEqual([
    [0, 3, 'FULL'],
    [1, 3, 'FULL'],
    [2, 3, 'FULL'],
  ]);
  const { tensors, header } = server.tensorsOf('t2');
  expect([...(tensors.get('w')?.data ?? [])]).toEqual([1, 1]);
  expect(header).toMatchObject({
    params_type: 'DIFF',
    metrics: { loss: 0.5 },
    meta: { NUM_STEPS_CURRENT_ROUND: 2 },
  });
  expect(server.metrics.map(({ seq, key, value }) => [seq, key, value])).toEqual([
    [0, 'loss', 0.25],
    [1, 'loss', 0.25],
    [2, 'loss', 0.25],
  ]);
});

test('for await: tasks of a job, whatever they are', async () => {
  const server = serverWith([
    { id: 'a', name: 'train', model: encode(numbers(1)) },
    { id: 'b', name: 'validate', data: { owner: 'global' }, model: encode(numbers(1)) },
    { id: 'c', name: 'submit_model', data: { name: 'last' } },
  ]);
  const client = await Client.init(optionsFor(server));
  const names: string[] = [];
  for await (const task of client.tasks()) {
    names.push(task.name);
    if (task.name === 'train') await task.send(plusOne(task.model));
    else if (client.isEvaluate()) await task.send({ metrics: { accuracy: { sum: 9, count: 10 } } });
    else {
      expect(task.model).toMatchObject({ meta: { name: 'last' } });
      await task.send({ params: numbers(2), paramsType: 'FULL' });
    }
  }
  expect(names).toEqual(['train', 'validate', 'submit_model']);
  expect(server.tensorsOf('b').header).toMatchObject({
    metrics: { accuracy: { sum: 9, count: 10 } },
  });
});

test('a loop that trains in place may: the difference is against the bytes received', async () => {
  const server = serverWith([FIRST], { transferType: 'DIFF' });
  const client = await Client.init(optionsFor(server));
  for await (const { model, send } of client.tasks()) {
    const data = model.params?.get('w')?.data as Float32Array;
    data[0] = 5;
    await send(model);
  }
  expect(server.tensorsOf('t0').tensors.get('w')?.data).toEqual(Float32Array.of(5, 0));
});

test('send: not without receive, not what isn’t a model; the task stays open', async () => {
  const server = serverWith([FIRST]);
  const client = await Client.init(optionsFor(server));
  await expect(client.send({ params: numbers(1) })).rejects.toThrow('without receive');
  await client.receive();
  await expect(client.send({ paramsType: 'FULL' })).rejects.toThrow(TypeError);
  await expect(client.send({})).rejects.toThrow('params or metrics');
  await expect(client.send({ params: numbers(1), currentRound: -1 })).rejects.toThrow(RangeError);
  expect(await client.send({ params: numbers(1, 2) })).toBe('accepted');
  expect(await client.isRunning()).toBe(false);
  expect(await client.receive()).toBeUndefined();
});

test('receive gives the same model until send; clear gives it as it came, and send wants it received again', async () => {
  const server = serverWith([FIRST]);
  const client = await Client.init(optionsFor(server));
  const model = await client.receive();
  const data = model?.params?.get('w')?.data;
  if (data) data[0] = 99;
  expect(await client.receive()).toBe(model);
  client.clear();
  await expect(client.send({ metrics: { loss: 1 } })).rejects.toThrow('without receive');
  const again = await client.receive();
  expect(again?.params).toEqual(numbers(0, 10));
  expect(again).toMatchObject({ paramsType: 'FULL', startRound: 0, currentRound: 0, meta: {} });
  expect(await client.send({ metrics: { loss: 1 } })).toBe('accepted');
  expect(server.tensorsOf('t0')).toMatchObject({
    tensors: new Map(),
    header: { metrics: { loss: 1 } },
  });
  // What was asked of the task can be asked between tasks.
  expect([client.isTrain(), client.getTaskName()]).toEqual([true, 'train']);
});

test('two clients in one process, each with its job’s words for its tasks', async () => {
  const one = serverWith([{ ...FIRST, name: 'learn' }]);
  const other = serverWith([{ ...FIRST, name: 'judge' }]);
  const taskNames = { train: 'learn', evaluate: 'judge' };
  const clients = await Promise.all(
    [one, other].map((server) => Client.init({ ...optionsFor(server), taskNames })),
  );
  const kinds = [];
  for (const client of clients) {
    const model = await client.receive();
    kinds.push([client.isTrain(), client.isEvaluate(), client.isSubmitModel()]);
    await client.send(plusOne(model ?? {}));
  }
  expect(kinds).toEqual([
    [true, false, false],
    [false, true, false],
  ]);
});

test('an FLModel is checked as FLARE’s is', () => {
  const params = numbers(1);
  expect(checkedModel({ params })).toEqual({ params, paramsType: 'FULL', startRound: 0, meta: {} });
  expect(checkedModel({ metrics: { a: 1 } })).not.toHaveProperty('paramsType');
  for (const [model, why] of [
    [{ paramsType: 'FULL' }, 'paramsType without params'],
    [{ params, paramsType: 'HALF' }, 'FULL or DIFF, not HALF'],
    [{ params: { w: 1 } }, 'a Map of named tensors'],
    [{ optimizerParams: [] }, 'optimizerParams is a Map'],
    [{ metrics: 0.5 }, 'metrics is no object'],
    [{ meta: [] }, 'meta is no object'],
    [{ startRound: -1 }, 'integers from 0'],
    [{ currentRound: 0.5 }, 'integers from 0'],
    [{ totalRounds: NaN }, 'integers from 0'],
  ] as const) {
    expect(() => checkedModel(model as FLModel), JSON.stringify(model)).toThrow(why);
  }
});

test('optimizerParams travel as a set of their own', () => {
  const { parts } = encodeResult({ params: numbers(1), optimizerParams: numbers(2, 3) });
  const decoded = decode(new Uint8Array(Buffer.concat(parts)));
  if (!decoded.ok) throw new Error(decoded.error.reason);
  expect([...decoded.value.tensors.keys()]).toEqual(['w', 'optimizer/w']);
  expect(JSON.parse(decoded.value.metadata.get('fl_model') ?? '')).toMatchObject({
    sets: {
      params: { kind: 'WEIGHTS', prefix: '' },
      optimizer: { kind: 'OTHER', prefix: 'optimizer/' },
    },
  });
});

test('a task given up in mid-work: its signal aborts, send says closed, the next one comes', async () => {
  const server = serverWith([
    { id: 'x', name: 'train', model: encode(numbers(1)), leaseS: 0.03 },
    { id: 'y', name: 'train', model: encode(numbers(1)) },
  ]);
  const client = await Client.init(optionsFor(server));
  const statuses: string[] = [];
  for await (const task of client.tasks()) {
    if (client.getConfig().task.id === 'x') {
      server.jobs.get('j')?.closed.add('x');
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
    }
    statuses.push(await task.send(plusOne(task.model)));
  }
  expect(statuses).toEqual(['closed', 'accepted']);
  expect(server.results.has('x')).toBe(false);
});

test('a result that can’t be converted is the caller’s to know', async () => {
  const server = serverWith([FIRST], { transferType: 'DIFF' });
  const client = await Client.init(optionsFor(server));
  await client.receive();
  await expect(client.send({ params: numbers(1, 2, 3) })).rejects.toThrow('no counterpart');
});

test('receive gives up in time; shutdown leaves the task for the next life', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  const job = server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, []);
  const client = await Client.init({ ...optionsFor(server), store });
  expect(await client.receive({ timeoutMS: 10 })).toBeUndefined();
  job.tasks.push(FIRST);
  server.addBlob(encode(numbers(0, 10)));
  job.ended = true;
  expect(await client.isRunning()).toBe(true);
  await client.shutdown();
  const again = await Client.init({ ...optionsFor(server), store });
  for await (const task of again.tasks()) await task.send(plusOne(task.model));
  expect(server.results.has('t0')).toBe(true);
});

test('init rejects where the site can’t be', async () => {
  const server = new FakeServer();
  await Client.init(optionsFor(server)).then((client) => client.shutdown());
  await expect(Client.init(optionsFor(server))).rejects.toMatchObject({ status: 409 });
  await expect(Client.init({ server: server.url, fetch: server.fetch })).rejects.toThrow(
    'not enrolled',
  );
});

test('two tabs, one store: the second is the site once the first has let go', async () => {
  const server = serverWith([FIRST]);
  const turnstile = new Turnstile();
  /** As a browser's lock is: it waits. */
  class Shared extends MemoryStore {
    lock(signal = new AbortController().signal): Promise<() => void> {
      return new Promise((taken, failed) => {
        turnstile.pass(() => new Promise<void>((letGo) => taken(letGo)), signal).catch(failed);
      });
    }
  }
  const store = new Shared();
  const first = await Client.init({ ...optionsFor(server), store });
  let second: Client | undefined;
  const waiting = Client.init({ ...optionsFor(server), store }).then((client) => (second = client));
  const closed = new AbortController();
  const third = Client.init({ ...optionsFor(server), store, signal: closed.signal });
  await first.isRunning();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(second).toBeUndefined();
  closed.abort();
  expect(await (await third).isRunning()).toBe(false);
  await first.shutdown();
  const client = await waiting;
  for await (const task of client.tasks()) await task.send(plusOne(task.model));
  expect(server.results.has('t0')).toBe(true);
});

test('two processes’ worth of sites, one folder: the second is told who has it', async () => {
  const server = serverWith([FIRST]);
  const held = (): Promise<never> => Promise.reject(new Error('in use by another site'));
  const store: Store = Object.assign(new MemoryStore(), { lock: held });
  await expect(Client.init({ ...optionsFor(server), store })).rejects.toThrow('in use by another');
  expect(server.requests).toEqual([]);
});
