import { expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { FakeServer, problem } from '../tests/fake-server.ts';
import { ended, numbers, serve } from '../tests/serve.ts';
import { ProblemError } from './problem-error.ts';
import { MemoryStore } from './store.ts';

const ADD = { tasks: ['*'], use: 'add' };

test('under ANY the other type is sent when another site’s result has fixed it, after a kill too', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  server.addJob('j', { executors: [{ ...ADD, args: { delta: 2 } }] }, [
    { id: 't', name: 'train', model: encode(numbers(1, 2)) },
  ]).ended = true;
  // Killed with the converted result in the outbox, and the first refusal long forgotten.
  server.trouble('PUT', /result/, () => problem(422, 'MIXED_PARAMS_TYPE'));
  server.trouble('PUT', /result/, 'lose-request');
  await serve(server, ({ type }) => type === 'retry', { store });
  expect(await store.list('outbox/')).toEqual(['outbox/j/t']);
  expect(server.results.size).toBe(0);
  const events = await serve(server, ended, { store });
  const { tensors, header } = server.tensorsOf('t');
  expect(header).toMatchObject({ params_type: 'DIFF', return_code: 'OK' });
  expect([...(tensors.get('w')?.data ?? [])]).toEqual([2, 2]);
  expect(events.filter(({ type }) => type === 'received')).toEqual([]);
});

test('suspended, the site asks again; resumed, it goes on', async () => {
  const server = new FakeServer();
  const job = server.addJob('j', { executors: [ADD] }, [
    { id: 't0', name: 'train', model: encode(numbers(1)) },
    { id: 't1', name: 'train', round: 1, model: encode(numbers(2)) },
  ]);
  job.ended = true;
  let polls = 0;
  const events = await serve(server, ended, {
    fetch: async (url, init) => {
      if (job.suspended && url.includes('/task?') && ++polls > 3) job.suspended = false;
      const answer = await server.fetch(url, init);
      if (url.endsWith('t0/result')) job.suspended = true;
      return answer;
    },
  });
  expect(polls).toBe(4);
  expect([...server.results.keys()]).toEqual(['t0', 't1']);
  expect(events.filter(({ type }) => type === 'job')).toHaveLength(1);
});

test('revoked in mid-task: the work stops, nothing is sent, and the site says why', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 't', name: 'train', leaseS: 0.03, model: encode(numbers(1)) },
  ]);
  let stopped: unknown;
  const error = await serve(server, ended, {
    app: ({ signal }) => {
      server.revoke('hospital-a');
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          stopped = signal.reason;
          reject(new Error('stopped'));
        });
      });
    },
  }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ProblemError);
  expect((error as ProblemError).status).toBe(401);
  expect(stopped).toBe(error);
  expect(server.count('PUT', /result/)).toBe(0);
});

test('a job’s last metrics arrive, though the connection was lost on the way and the site ends with the job', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  server.trouble('POST', /metrics/, 'lose-request', 2);
  await serve(server, () => false, {
    once: true,
    app: ({ params = new Map(), log }) => {
      log('loss', 0.5);
      return { params };
    },
  });
  expect(server.metrics.map(({ key, value }) => [key, value])).toEqual([['loss', 0.5]]);
});

test('metrics that nobody takes hold a job’s end up for seconds at most', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  const began = performance.now();
  await serve(server, () => false, {
    once: true,
    store,
    fetch: (url, init) =>
      url.endsWith('/metrics')
        ? new Promise((_, reject) => {
            init.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
          })
        : server.fetch(url, init),
    app: ({ params = new Map(), log }) => {
      log('loss', 0.5);
      return { params };
    },
  });
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(await store.list('jobs/')).toEqual([]);
});

/** A store that fails to take what lies at such a place, in the given ways one after another. */
class Failing extends MemoryStore {
  readonly place: RegExp;
  readonly failures: string[];
  constructor(place: RegExp, ...failures: string[]) {
    super();
    this.place = place;
    this.failures = failures;
  }
  override write(...[key, parts]: Parameters<MemoryStore['write']>): Promise<void> {
    const code = this.place.test(key) ? this.failures.shift() : undefined;
    if (code === undefined) return super.write(key, parts);
    return Promise.reject(Object.assign(new Error(`${code}: write`), { code }));
  }
}

test('a full disk is no failure of the task: the result waits for room', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [ADD] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  const events = await serve(server, ended, { store: new Failing(/^outbox/, 'ENOSPC', 'ENOSPC') });
  expect(server.tensorsOf('t').header['return_code']).toBe('OK');
  expect(events.filter(({ type }) => type === 'storage-full')).toHaveLength(1);
});

test.for([/^outbox/, /executor.own/])('a broken disk ends the site: %s', async (place) => {
  const server = new FakeServer();
  server.addJob('j', { executors: [ADD] }, [{ id: 't', name: 'train', model: encode(numbers(1)) }]);
  const store = new Failing(place, 'EIO');
  await expect(serve(server, ended, { store })).rejects.toThrow("the site's storage failed: EIO");
  expect(server.count('PUT', /result/)).toBe(0);
});

test('a model that can’t be cached costs no task', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [ADD] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  await serve(server, ended, { store: new Failing(/models/, 'ENOSPC') });
  expect(server.tensorsOf('t').header['return_code']).toBe('OK');
});

const zeros = (count: number): Tensors =>
  new Map([['w', { dtype: 'F32', shape: [count], data: new Float32Array(count) }]]);

test('a result that the server could never take is EXECUTION_RESULT_ERROR, and says why', async () => {
  const server = new FakeServer();
  const model = encode(numbers(1));
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 'long', name: 'train', model },
    { id: 'large', name: 'train', model },
  ]).ended = true;
  await serve(server, ended, {
    app: ({ task }) =>
      task.id === 'long'
        ? { params: numbers(1), meta: { notes: 'x'.repeat(LIMITS.replyJsonBytes) } }
        : { params: zeros(LIMITS.headerBytes / 4 + 100) },
  });
  const said = ['long', 'large'].map((id) => server.tensorsOf(id).header);
  for (const { return_code: code } of said) expect(code).toBe('EXECUTION_RESULT_ERROR');
  expect(JSON.stringify(said[0])).toContain('metrics and meta take');
  expect(JSON.stringify(said[1])).toContain('the result takes');
});
