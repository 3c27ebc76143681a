import { expect, test } from 'vitest';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { FakeServer, problem } from '../tests/fake-server.ts';
import { ended, numbers, serve } from '../tests/serve.ts';
import { ProblemError } from './problem-error.ts';
import { MemoryStore } from './store.ts';

const ADD = { tasks: ['*'], use: 'add' };

test('a site enrols, adds one (FLARE hello-numpy), sends FULL with its steps, and ends with the job', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ ...ADD, args: { steps: 5 } }] }, [
    { id: 't0', name: 'train', model: encode(numbers(1, 2, 3)) },
    { id: 't1', name: 'train', round: 1, model: encode(numbers(2, 3, 4)) },
  ]).ended = true;
  const events = await serve(server, ended);
  const { tensors, header } = server.tensorsOf('t1');
  expect([...(tensors.get('w')?.data ?? [])]).toEqual([3, 4, 5]);
  expect(header).toMatchObject({
    params_type: 'FULL',
    return_code: 'OK',
    meta: { NUM_STEPS_CURRENT_ROUND: 5 },
    metrics: { weight_mean: { sum: 9, count: 3 } },
  });
  expect(events.map(({ type }) => type)).toEqual([
    'joined',
    'job',
    'task',
    'received',
    'submitted',
    'task',
    'received',
    'submitted',
    'job-ended',
  ]);
});

test('the kit subtracts where the task or the job wants DIFF', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ ...ADD, args: { delta: 2, transferType: 'DIFF' } }] }, [
    { id: 'any', name: 'train', model: encode(numbers(1, 2)) },
    { id: 'full', name: 'train', paramsType: 'FULL', model: encode(numbers(1, 2)) },
  ]).ended = true;
  await serve(server, ended);
  expect(server.tensorsOf('any').header['params_type']).toBe('DIFF');
  expect([...(server.tensorsOf('any').tensors.get('w')?.data ?? [])]).toEqual([2, 2]);
  expect([...(server.tensorsOf('full').tensors.get('w')?.data ?? [])]).toEqual([3, 4]);
});

test('submit_model gives the last model trained, after a restart too, and EMPTY_RESULT without one', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  const job = server.addJob('j', { executors: [ADD] }, [
    { id: 'none', name: 'submit_model', data: { name: 'last' }, paramsType: 'FULL' },
    { id: 't', name: 'train', model: encode(numbers(7)) },
  ]);
  await serve(server, (event) => event.type === 'submitted' && event.taskId === 't', { store });
  job.tasks.push({ id: 'own', name: 'submit_model', data: { name: 'last' }, paramsType: 'FULL' });
  job.ended = true;
  await serve(server, ended, { store });
  expect(server.tensorsOf('none').header['return_code']).toBe('EMPTY_RESULT');
  expect([...(server.tensorsOf('own').tensors.get('w')?.data ?? [])]).toEqual([8]);
  expect(await store.list('jobs/')).toEqual([]);
});

test('a site killed between outbox and acknowledgement sends the same result when it comes back', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  server.addJob('j', { executors: [ADD] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  server.trouble('PUT', /result/, 'lose-answer');
  // Dies where the answer got lost: the server has the result, the site doesn't know.
  await serve(server, (event) => event.type === 'retry', { store });
  expect(await store.list('outbox/')).toEqual(['outbox/j/t']);
  const first = server.results.get('t')?.body;
  const events = await serve(server, ({ type }) => type === 'submitted', { store });
  expect(server.duplicates).toEqual(['t']);
  expect(server.results.get('t')?.body).toBe(first);
  expect(await store.list('outbox/')).toEqual([]);
  expect(events.some((event) => event.type === 'submitted' && event.status === 'duplicate')).toBe(
    true,
  );
});

test('a result that waits is sent, not computed again, when the task comes again', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  server.addJob('j', { executors: [ADD] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  server.trouble('PUT', /result/, 'lose-request');
  await serve(server, (event) => event.type === 'retry', { store });
  expect(server.results.size).toBe(0);
  const events = await serve(server, ended, { store });
  expect(server.results.size).toBe(1);
  expect(events.filter(({ type }) => type === 'received')).toEqual([]);
});

test('an enrolment whose answer was lost is repeated under its key, across a restart', async () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  server.trouble('POST', /sites/, 'lose-answer');
  await serve(server, (event) => event.type === 'retry', { store });
  await serve(server, (event) => event.type === 'joined', { store });
  await serve(server, (event) => event.type === 'joined', { store });
  expect(server.count('POST', /sites/)).toBe(2);
  expect(server.grants.size).toBe(1);
});

test('an abort reaches the site through its lease: nothing is sent', async () => {
  const server = new FakeServer();
  const job = server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 't', name: 'train', leaseS: 0.03, model: encode(numbers(1)) },
  ]);
  let why: unknown;
  const events = await serve(server, ended, {
    app: ({ signal }) => {
      job.closed.add('t');
      job.ended = true;
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          why = signal.reason;
          reject(signal.reason as Error);
        });
      });
    },
  });
  expect(String(why)).toContain('the job was aborted');
  expect(events.map(({ type }) => type)).toContain('aborted');
  expect(server.count('PUT', /result/)).toBe(0);
});

test('a lease is renewed while the task goes on', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 't', name: 'train', leaseS: 0.03, model: encode(numbers(1)) },
  ]).ended = true;
  await serve(server, ended, {
    app: async ({ params = new Map() }) => {
      while (server.count('POST', /lease/) < 1) await new Promise((r) => setTimeout(r, 5));
      return { params };
    },
  });
  expect(server.results.has('t')).toBe(true);
});

test('failures answer with codes, and a stranger’s error text stays at the site', async () => {
  const server = new FakeServer();
  const executors = [
    { tasks: ['secret'], use: 'app' },
    { tasks: ['odd'], use: 'quantum' },
    { tasks: ['train'], sites: ['hospital-b'], use: 'add' },
  ];
  server.addJob('j', { executors }, [
    { id: 'a', name: 'secret' },
    { id: 'b', name: 'odd' },
    { id: 'c', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  const events = await serve(server, ended, {
    app: () => {
      throw new Error('patient 17 has no age');
    },
  });
  expect(['a', 'b', 'c'].map((id) => server.tensorsOf(id).header['return_code'])).toEqual([
    'EXECUTION_EXCEPTION',
    'TASK_UNKNOWN',
    'TASK_UNKNOWN',
  ]);
  expect(new TextDecoder().decode(server.results.get('a')?.body)).not.toContain('patient');
  const failed = events.find((event) => event.type === 'failed');
  expect(failed?.error.message).toContain('patient 17');
});

test('a result that the server refuses becomes EXECUTION_RESULT_ERROR: no endless loop', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [ADD] }, [
    { id: 't', name: 'train', model: encode(numbers(1)) },
  ]).ended = true;
  server.trouble('PUT', /result/, () => problem(422, 'NON_FINITE'));
  const events = await serve(server, ended);
  expect(server.tensorsOf('t').header['return_code']).toBe('EXECUTION_RESULT_ERROR');
  const submitted = events.find((event) => event.type === 'submitted');
  expect(submitted?.problem?.code).toBe('NON_FINITE');
});

test('a revoked site stops with the server’s problem', async () => {
  const server = new FakeServer();
  server.addJob('j', { executors: [ADD] }, [{ id: 't', name: 'train', model: encode(numbers(1)) }]);
  server.trouble('PUT', /result/, () => problem(401, 'UNAUTHORIZED'));
  const error = await serve(server, ended).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ProblemError);
  expect((error as ProblemError).status).toBe(401);
});

test('two jobs at once: both are served, and exclusive executors take turns', async () => {
  const server = new FakeServer();
  let inside = 0;
  let most = 0;
  const heavy = {
    exclusive: true,
    make: () => ({
      execute: async ({ params = new Map() }) => {
        most = Math.max(most, ++inside);
        await new Promise((r) => setTimeout(r, 5));
        inside--;
        return { model: { params } };
      },
    }),
  };
  for (const id of ['a', 'b']) {
    const tasks = [0, 1, 2].map((n) => ({
      id: `${id}${n}`,
      name: 'train',
      model: encode(numbers(n)),
    }));
    server.addJob(id, { executors: [{ tasks: ['*'], use: 'heavy' }] }, tasks).ended = true;
  }
  let jobs = 0;
  await serve(server, (event) => event.type === 'job-ended' && ++jobs === 2, {
    executors: { heavy },
  });
  expect(server.results.size).toBe(6);
  expect(most).toBe(1);
});

test('filters: the job’s clip, then the site’s own, which no job can remove', async () => {
  const server = new FakeServer();
  const filters: NonNullable<JobSpecInput['filters']> = [
    { tasks: ['train'], on: 'result', at: 'site', use: 'clip', args: { norm: 1 } },
  ];
  server.addJob(
    'j',
    { filters, executors: [{ ...ADD, args: { delta: 3, transferType: 'DIFF' } }] },
    [{ id: 't', name: 'train', model: encode(numbers(1, 1)) }],
  ).ended = true;
  await serve(server, ended, {
    policy: {
      filters: (on) => [
        {
          name: 'negate',
          needs: 'ANY',
          map: ({ data }) =>
            Float32Array.from(data as Float32Array, (x) => (on === 'result' ? -x : x)),
        },
      ],
    },
  });
  const [first, second] = [...(server.tensorsOf('t').tensors.get('w')?.data ?? [])] as number[];
  expect(first).toBeCloseTo(-Math.SQRT1_2, 6);
  expect(second).toBeCloseTo(-Math.SQRT1_2, 6);
});
