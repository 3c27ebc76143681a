import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import type { FakeTask } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import { rngOf } from '../seed.ts';
import { inWorker } from './in-worker.ts';
import type { InWorkerOptions } from './in-worker.ts';

const threads: Worker[] = [];
const inThread = (script: string, options?: InWorkerOptions) =>
  inWorker(() => {
    const thread = new Worker(new URL(`../../tests/workers/${script}.ts`, import.meta.url));
    threads.push(thread);
    return thread;
  }, options);

const serverWith = (tasks: FakeTask[]): FakeServer => {
  const server = new FakeServer();
  const executors = [{ tasks: ['*'], use: 'app', args: { lr: 0.5, transferType: 'DIFF' } }];
  server.addJob('j', { seed: 9, executors }, tasks).ended = true;
  return server;
};
const task = (id: string, what = '', more: Partial<FakeTask> = {}): FakeTask => ({
  id,
  name: 'train',
  model: encode(numbers(1, 2)),
  data: { do: what },
  ...more,
});
const data = () => ({ x: { data: new Uint8Array(6), shape: [3, 2] }, y: new Int32Array(3) });

test('a task in a thread: the site’s data, store, seeds and args, and an answer of its own tensors', async () => {
  const server = serverWith([task('a'), task('b')]);
  const events = await serve(server, ended, { app: inThread('app'), data });
  const random = await rngOf({
    seed: 9,
    site: 'hospital-a',
    workflow: 'main',
    round: 0,
    purpose: 'dice',
  });
  const said = { random: random(), site: 'hospital-a', rows: 3, args: { lr: 0.5 } };
  expect(server.tensorsOf('a').header['meta']).toMatchObject({ ...said, before: null });
  expect(server.tensorsOf('b').header['meta']).toMatchObject({ before: 1, keys: ['seen'] });
  // The thread's model was its own to change: the difference is against what came.
  expect(server.tensorsOf('b').tensors.get('w')?.data).toEqual(Float32Array.of(99, 0));
  expect(server.metrics.map(({ key, value }) => [key, value])).toEqual([
    ['loss', 0.5],
    ['loss', 0.5],
  ]);
  expect(events.filter(({ type }) => type === 'step')).toHaveLength(2);
});

test('a return code passes; of another error only that there was one', async () => {
  const server = serverWith([task('a', 'refuse'), task('b', 'fall'), task('c')]);
  await serve(server, ended, { app: inThread('app'), data });
  expect(server.tensorsOf('a').header).toMatchObject({
    return_code: 'UNSAFE_JOB',
    meta: { detail: 'not here', errors: [{ path: 'x', expected: 'a', got: 'b' }] },
  });
  expect(server.tensorsOf('b').header).toMatchObject({
    return_code: 'EXECUTION_EXCEPTION',
    meta: {},
  });
  expect(server.tensorsOf('c').header).toMatchObject({ return_code: 'OK' });
});

test.each(['hang', 'wait'])(
  'an abort ends a task that would %s; the next one is done',
  async (how) => {
    const server = serverWith([task('x', how, { leaseS: 0.06 }), task('y')]);
    const before = threads.length;
    const events = await serve(
      server,
      (event) => {
        if (event.type === 'task' && event.task.id === 'x') {
          setTimeout(() => server.jobs.get('j')?.closed.add('x'), 300);
        }
        return ended(event);
      },
      { app: inThread('app', { graceMS: 200 }), data },
    );
    expect(events.map(({ type }) => type)).toContain('aborted');
    expect(server.results.has('x')).toBe(false);
    expect(server.tensorsOf('y').header).toMatchObject({ return_code: 'OK' });
    // One that is deaf is ended, and another takes its place; one that listens goes on.
    expect(threads.length - before).toBe(how === 'hang' ? 2 : 1);
    for (const thread of threads) expect(thread.threadId).toBe(-1);
  },
);

test('a thread that dies costs its task', async () => {
  const server = serverWith([task('x', 'die'), task('y')]);
  await serve(server, ended, { app: inThread('app'), data });
  expect(server.tensorsOf('x').header).toMatchObject({ return_code: 'EXECUTION_EXCEPTION' });
  expect(server.tensorsOf('y').header).toMatchObject({ return_code: 'OK' });
});

test('a ModelLearner in a thread has its whole life there', async () => {
  const server = serverWith([
    task('a'),
    task('b', '', { round: 1 }),
    { id: 'c', name: 'submit_model' },
  ]);
  const events = await serve(server, ended, { app: inThread('learner') });
  const calls = ['initialize', 'validate', 'train', 'validate', 'train'];
  expect(server.tensorsOf('b').header).toMatchObject({
    params_type: 'DIFF',
    metrics: { accuracy: 0.25 },
    meta: { calls, site: 'hospital-a', round: 1 },
  });
  expect(server.tensorsOf('c').header).toMatchObject({ return_code: 'EMPTY_RESULT' });
  const said = events.flatMap((event) => (event.type === 'message' ? [event.text] : []));
  expect(said).toEqual([[...calls, 'finalize'].join()]);
});
