import { expect, test } from 'vitest';
import type { JobSpecInput } from '../../../core/protocol/job.ts';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import type { FakeTask } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import type { SiteEvent } from '../event.ts';
import type { SiteOptions } from '../site.ts';
import { MemoryStore } from '../store.ts';
import type { PolicyInput } from './document.ts';
import { sitePolicy } from './site-policy.ts';

const MODEL = encode(numbers(3, 4));
const ADD = {
  tasks: ['*'],
  use: 'add',
  args: { delta: 3, transferType: 'DIFF' as const },
};
const PROGRAM = `sha256-${'a'.repeat(64)}`;
const rules = (rest: Partial<PolicyInput> = {}): PolicyInput => ({
  version: 1,
  jobs: [{ names: ['good*'] }],
  ...rest,
});

/** Serves one job under a policy: what the server got for each task, and what the site's log says of it. */
const under = async (
  policy: PolicyInput,
  {
    spec = {},
    tasks = [{ id: 't', name: 'train' }],
    ...options
  }: {
    spec?: Partial<JobSpecInput>;
    tasks?: Partial<FakeTask>[];
    now?: () => number;
  } & Partial<SiteOptions> = {},
) => {
  const { now, ...site } = options;
  const server = new FakeServer();
  const all = tasks.map((task, i): FakeTask => ({
    id: `t${i}`,
    name: 'train',
    model: MODEL,
    ...task,
  }));
  server.addJob('j', { name: 'good job', executors: [ADD], ...spec }, all).ended = true;
  const events = await serve(server, ended, { policy: sitePolicy(policy, now), ...site });
  const answers = all.map(({ id }) => server.tensorsOf(id));
  const log = events.filter((e): e is SiteEvent & { type: 'failed' } => e.type === 'failed');
  return {
    server,
    codes: answers.map(({ header }) => header['return_code']),
    reasons: log.map(({ error }) => error.message),
    numbers: answers.map(({ tensors }) => [...(tensors.get('w')?.data ?? [])]),
    fetched: server.count('GET', /blobs/),
  };
};

test('an allowed job is done', async () => {
  expect(await under(rules())).toMatchObject({ codes: ['OK'], reasons: [], numbers: [[3, 3]] });
});

test('a job of another name, server, program or executor is UNSAFE_JOB, and nothing of it is fetched', async () => {
  const programs = { train: { blob: PROGRAM, manifest: {} as never } };
  const deny = async (rule: object, spec: Partial<JobSpecInput>, why: string) => {
    const policy = rules({ jobs: [{ names: ['good*'], ...rule }] });
    expect(await under(policy, { spec })).toMatchObject({
      codes: ['UNSAFE_JOB'],
      reasons: [expect.stringContaining(why)],
      fetched: 0,
    });
  };
  await deny({}, { name: 'bad job' }, "no job of the name 'bad job'");
  await deny({ servers: ['https://other.test'] }, {}, 'no job of http://fake.test');
  await deny({ programs: [`sha256-${'b'.repeat(64)}`] }, { programs }, PROGRAM);
  await deny({ programs: [] }, { programs }, PROGRAM);
  await deny({ executors: ['onnx'] }, {}, "no executor 'add'");
  const both = rules({
    jobs: [
      { names: ['*'], programs: [] },
      { names: ['good*'], programs: [PROGRAM] },
    ],
  });
  expect(await under(both, { spec: { programs } })).toMatchObject({ codes: ['OK'] });
});

test('more epochs or steps than allowed are refused with the field, at this site only', async () => {
  const policy = rules({ limits: { epochs: 5, steps: 100 } });
  const asking = (args: Record<string, unknown>, sites = ['@all']) => ({
    spec: { executors: [{ ...ADD, sites, args }] },
  });
  expect(await under(policy, asking({ epochs: 5, steps: 100 }))).toMatchObject({ codes: ['OK'] });
  const refused = await under(policy, asking({ epochs: 6 }));
  expect(refused.codes).toEqual(['UNSAFE_JOB']);
  expect(refused.server.tensorsOf('t').header).toMatchObject({
    meta: { errors: [{ path: 'executors[0].args.epochs', expected: 'at most 5', got: '6' }] },
  });
  expect(await under(policy, asking({ steps: 101 }))).toMatchObject({ codes: ['UNSAFE_JOB'] });
  const elsewhere = [{ ...ADD, sites: ['other'], args: { epochs: 99 } }, ADD];
  expect(await under(policy, { spec: { executors: elsewhere } })).toMatchObject({ codes: ['OK'] });
});

test('submit_model: deny refuses that task only', async () => {
  const tasks = [{ name: 'train' }, { name: 'submit_model' }, { name: 'train' }];
  const denied = await under(rules({ submit_model: 'deny' }), { tasks });
  expect(denied.codes).toEqual(['OK', 'TASK_UNSUPPORTED', 'OK']);
  expect(denied.reasons).toEqual(["the site's policy keeps its models here"]);
});

test("required filters have the last word, whatever the job's own are", async () => {
  const norm = (values: readonly (number | bigint)[]) => Math.hypot(...values.map(Number));
  const policy = rules({ filters: [{ tasks: ['train'], use: 'clip', args: { norm: 1 } }] });
  const job = (...filters: NonNullable<JobSpecInput['filters']>) => ({ spec: { filters } });
  const loose = {
    tasks: ['*'],
    on: 'result' as const,
    at: 'site' as const,
    use: 'clip',
    args: { norm: 100 },
  };
  for (const spec of [job(), job(loose), job(loose, loose)]) {
    const {
      numbers: [sent = []],
    } = await under(policy, spec);
    expect(norm(sent)).toBeCloseTo(1, 6);
  }
  const other = await under(policy, { tasks: [{}, { name: 'submit_model' }] });
  expect(other.codes).toEqual(['OK', 'OK']);
  expect(norm(other.numbers[1] ?? [])).toBeGreaterThan(1);
});

test('a filter that takes differences makes differences of what may be either, and refuses what must be whole', async () => {
  const policy = rules({ filters: [{ use: 'clip', args: { norm: 1 } }] });
  const spec = { executors: [{ ...ADD, args: { delta: 3, transferType: 'FULL' } }] };
  const either = await under(policy, { spec });
  expect(either.server.tensorsOf('t').header).toMatchObject({ params_type: 'DIFF' });
  const whole = await under(policy, { spec, tasks: [{ paramsType: 'FULL' }] });
  expect(whole).toMatchObject({
    codes: ['TASK_RESULT_FILTER_ERROR'],
    reasons: [expect.stringContaining('clip, which takes DIFF')],
    fetched: 0,
  });
});

test('sizes: of a model, of a result, of a day', async () => {
  const bytes = (await under(rules())).server.results.get('t')?.body.length ?? 0;
  const limits = (limit: NonNullable<PolicyInput['limits']>) => rules({ limits: limit });
  const model = (most: number) => under(limits({ modelBytes: most }));
  expect(await model(MODEL.length)).toMatchObject({ codes: ['OK'] });
  expect(await model(MODEL.length - 1)).toMatchObject({
    codes: ['TASK_DATA_FILTER_ERROR'],
    fetched: 0,
  });
  const task = (most: number) => under(limits({ bytesPerTask: most }));
  expect(await task(bytes)).toMatchObject({ codes: ['OK'] });
  expect(await task(bytes - 1)).toMatchObject({
    codes: ['TASK_RESULT_FILTER_ERROR'],
    reasons: [`the result takes ${bytes} bytes; the site's policy lets ${bytes - 1} go`],
  });
});

test('a day’s bytes are counted over restarts, and a new day begins anew', async () => {
  const bytes = (await under(rules())).server.results.get('t')?.body.length ?? 0;
  const policy = rules({ limits: { bytesPerDay: 2 * bytes } });
  const store = new MemoryStore();
  let now = Date.UTC(2026, 10, 24, 12);
  const run = (count: number) =>
    under(policy, { store, now: () => now, tasks: Array.from({ length: count }, () => ({})) });
  expect((await run(1)).codes).toEqual(['OK']);
  const second = await run(2);
  expect(second.codes).toEqual(['OK', 'TASK_RESULT_FILTER_ERROR']);
  expect(second.reasons[0]).toContain(`lets ${2 * bytes} bytes go a day`);
  now += 12 * 3600 * 1000;
  expect((await run(2)).codes).toEqual(['OK', 'OK']);
});

test('more time or steps than a task may take: it is stopped, the next goes on', async () => {
  const stopped: string[] = [];
  const app: SiteOptions['executors'] = {
    slow: {
      exclusive: true,
      make: () => ({
        execute: ({ task, signal, report, params }) =>
          new Promise((resolve, reject) => {
            if (task.round > 0) return resolve({ model: { params: params ?? new Map() } });
            signal.addEventListener('abort', () => {
              stopped.push((signal.reason as Error).message);
              reject(signal.reason as Error);
            });
            for (const step of [1, 2, 3]) report({ type: 'step', step, steps: 3, loss: 1 });
          }),
      }),
    },
  };
  const run = (limits: NonNullable<PolicyInput['limits']>) =>
    under(rules({ limits }), {
      executors: app,
      spec: { executors: [{ tasks: ['*'], use: 'slow' }] },
      tasks: [{}, { round: 1 }],
    });
  expect((await run({ steps: 2 })).codes).toEqual(['TASK_ABORTED', 'OK']);
  expect((await run({ steps: 3, seconds: 0.05 })).codes).toEqual(['TIMEOUT', 'OK']);
  expect(stopped).toEqual([
    "the site's policy gives a task 2 steps",
    "the site's policy gives a task 0.05 s",
  ]);
});

test('a result that waits was made under the policy of its time: another policy has it made anew', async () => {
  const server = new FakeServer();
  const model = MODEL;
  server.addJob('j', { name: 'good job', executors: [ADD] }, [{ id: 't', name: 'train', model }]);
  const store = new MemoryStore();
  const clip = { tasks: ['train'], use: 'clip', args: { norm: 1 } };
  const stop = (event: SiteEvent): boolean => event.type === 'retry';
  server.trouble('PUT', /result/, 'lose-request', Infinity);
  await serve(server, stop, { store, policy: sitePolicy(rules()) });
  expect(await store.list('outbox/')).toHaveLength(1);

  const again = async (policy: PolicyInput): Promise<number> => {
    const events = await serve(server, stop, { store, policy: sitePolicy(policy) });
    return events.filter(({ type }) => type === 'received').length;
  };
  expect(await again(rules())).toBe(0);
  expect(await again(rules({ filters: [clip] }))).toBe(1);
  server.calm();
  await serve(server, ({ type }) => type === 'submitted', {
    store,
    policy: sitePolicy(rules({ filters: [clip] })),
  });
  const sent = [...(server.tensorsOf('t').tensors.get('w')?.data ?? [])].map(Number);
  expect(Math.hypot(...sent)).toBeCloseTo(1, 6);
});
