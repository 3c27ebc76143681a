import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS, MiB } from '../core/protocol/limits.ts';
import { encode } from '../core/tensors/safetensors.ts';
import { f32, sha256Of } from '../tests/workerd/bytes-room.ts';
import { addOne, admin, constant, newJob, site, uploadBlob } from '../tests/workerd/job-fixture.ts';
import type { TestJob } from '../tests/workerd/job-fixture.ts';
import { Engine } from './job/engine.ts';
import type { Env } from './env.ts';
import { directoryOf } from './stubs.ts';

const bindings = env as unknown as Env;
const limits = LIMITS as { foldSliceBytes: number };
afterEach(() => {
  limits.foldSliceBytes = 64 * MiB;
  vi.restoreAllMocks();
});

/** Sites poll in turns and work until the job has ended. */
async function work(job: TestJob, type: 'FULL' | 'DIFF', sites: Record<string, number>) {
  for (let turns = 0; turns < 60; turns++) {
    let ended = 0;
    for (const [name, steps] of Object.entries(sites)) {
      const { status, task } = await job.poll(name);
      if (status === 'end') ended++;
      if (!task) continue;
      const answer =
        task.name === 'train'
          ? await addOne(job, name, task, { type, steps })
          : task.name === 'submit_model'
            ? await job.reply(name, task.id, { params_type: 'FULL' }, constant(steps))
            : await job.reply(name, task.id, { metrics: { accuracy: { sum: 2, count: 2 } } });
      expect(answer).toEqual({ status: 'accepted' });
    }
    if (ended === Object.keys(sites).length) break;
  }
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  return { view, model: await job.model(view.models['global']) };
}

for (const type of ['FULL', 'DIFF'] as const) {
  for (const evict of [false, true]) {
    const how = `${type}${evict ? ', evicted after every call' : ''}`;
    test(`hello-numpy, ${how}`, async () => {
      const job = await newJob({}, { sites: ['site-1', 'site-2'], evict });
      const { model, view } = await work(job, type, { 'site-1': 2, 'site-2': 5 });
      expect(model).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect(view.results['train']).toMatchObject({
        rounds: 3,
        best: { metric: 'accuracy', value: 1, round: 3 },
      });
    });
  }
}

const three = [
  { id: 'train', use: 'fed-avg', args: { rounds: 1 } },
  { id: 'relay', use: 'cyclic', args: { rounds: 2 } },
  { id: 'cross', use: 'cross-site-eval' },
];

test('invariant 2: no field outlives a turn: all three workflows, evicted after every call, end the same', async () => {
  const sites = { 'site-1': 2, 'site-2': 5 };
  const calm = await work(
    await newJob({ workflows: three }, { sites: Object.keys(sites) }),
    'FULL',
    sites,
  );
  const job = await newJob({ workflows: three }, { sites: Object.keys(sites), evict: true });
  const evicted = await work(job, 'FULL', sites);
  expect(evicted.model).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14]);
  expect(evicted.view.models).toEqual(calm.view.models);
  expect(evicted.view.results).toEqual(calm.view.results);
  const cell = { metrics: { accuracy: 1 }, examples: 2 };
  const row = { global: cell, best: cell, 'site-1': cell, 'site-2': cell };
  expect(evicted.view.results['cross']).toEqual({ 'site-1': row, 'site-2': row });
  expect(await job.model(evicted.view.models['site-2'])).toEqual(Array(9).fill(5));
  const tasks = await job.inside((_, sql) =>
    sql.exec('SELECT id, state, status FROM tasks JOIN task_states USING (n) ORDER BY n').toArray(),
  );
  // train, validate; two rounds of two legs; submit_model, four validate.
  expect(tasks).toHaveLength(2 + 4 + 5);
  expect(tasks.every((task) => task['state'] === 'closed' && task['status'] === 'ok')).toBe(true);
});

/** A job whose model has three rows of 1 MiB, so that a fold of a byte a slice takes three slices. */
async function largeJob(sites: readonly string[]) {
  limits.foldSliceBytes = 1;
  const length = (3 * MiB) / 4;
  const tensors = (value: number) =>
    new Map([['w', f32([length], new Float32Array(length).fill(value))]]);
  const file = encode(tensors(0));
  await uploadBlob(file);
  const workflows = [{ id: 'train', use: 'fed-avg', args: { rounds: 1, selection: 'none' } }];
  const job = await newJob({ model: sha256Of(file), workflows }, { sites });
  for (const name of sites) await job.poll(name);
  const give = async (name: string, value: number) => {
    const { id } = await job.task(name);
    return { id, answer: await job.reply(name, id, { params_type: 'FULL' }, tensors(value)) };
  };
  const state = () =>
    job.inside((_, sql) => sql.exec('SELECT state FROM task_states').one()['state']);
  return { job, give, state };
}

test('invariant 1: closing freezes the replies; the task is closed only in the transaction of its last slice', async () => {
  const { job, give, state } = await largeJob(['a', 'b']);
  // The test rings.
  await job.inside((storage) => {
    vi.spyOn(storage, 'setAlarm').mockImplementation(async () => {});
  });
  await give('a', 1);
  await give('b', 3);
  const seen: unknown[] = [];
  for (let slice = 0; slice < 10 && (await state()) !== 'closed'; slice++) {
    seen.push(await state(), (await job.view()).status);
    await job.alarm();
  }
  expect(seen.length).toBeGreaterThanOrEqual(2);
  expect(new Set(seen)).toEqual(new Set(['folding', 'RUNNING']));
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect((await job.model(view.models['global'])).every((x) => x === 2)).toBe(true);
});

test('invariant 1: an abort drops a fold that is under way', async () => {
  const { job, give, state } = await largeJob(['a', 'b']);
  await give('a', 1);
  const { id } = await give('b', 3);
  await job.call((stub) => stub.abort(admin));
  expect(await state()).toBe('cancelled');
  expect(await job.inside((_, sql) => sql.exec('SELECT * FROM folds').toArray())).toEqual([]);
  expect(await job.call((stub) => stub.lease(site('a'), id))).toMatchObject({ status: 'closed' });
});

test('invariant 6: a retry is duplicate, whatever its body; a late one is late; nothing is counted twice', async () => {
  const args = { rounds: 1, minResponses: 1, waitAfterMin: 100, selection: 'none' };
  const workflows = [{ id: 'train', use: 'fed-avg', args }];
  const job = await newJob({ workflows, minSites: 3 }, { sites: ['a', 'b', 'c'], evict: true });
  for (const name of ['a', 'b', 'c']) await job.poll(name);
  const task = await job.task('a');
  for (const name of ['b', 'c']) expect((await job.task(name)).id).toBe(task.id);
  const send = (name: string, value: number) =>
    job.reply(name, task.id, { params_type: 'FULL' }, constant(value));
  expect(await send('a', 1)).toEqual({ status: 'accepted' });
  expect(await send('a', 1)).toEqual({ status: 'duplicate' });
  expect(await send('a', 9)).toEqual({ status: 'duplicate' });
  expect(await send('b', 3)).toEqual({ status: 'accepted' });
  // c is still at work: it is waited for.
  expect((await job.view()).status).toBe('RUNNING');
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 101_000);
  await job.alarm();
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(view.models['global'])).toEqual(Array(9).fill(2));
  expect(await send('c', 100)).toEqual({ status: 'late' });
  expect(await send('a', 1)).toEqual({ status: 'duplicate' });
});

test('invariant 7: the same replies give the same bytes, in whatever order they arrive', async () => {
  const values: Record<string, number> = { a: 0.1, b: 1e8, c: -1e8, d: 0.3 };
  const digests = new Set<string | undefined>();
  for (const order of ['abcd', 'dcba', 'bdac']) {
    const workflows = [{ id: 'train', use: 'fed-avg', args: { rounds: 1, selection: 'none' } }];
    const job = await newJob({ workflows }, { sites: ['a', 'b', 'c', 'd'] });
    for (const name of 'abcd') await job.poll(name);
    for (const name of order) {
      const { id } = await job.task(name);
      const header = { params_type: 'FULL' as const, meta: { NUM_STEPS_CURRENT_ROUND: 3 } };
      await job.reply(name, id, header, constant(values[name] ?? 0));
    }
    digests.add((await job.view()).models['global']?.digest);
  }
  expect(digests.size).toBe(1);
});

test('invariant 9: alarm never throws outward, and rings again', async () => {
  const job = await newJob({}, { sites: ['a'] });
  await job.inside((_, sql) => sql.exec('ALTER TABLE outbox RENAME TO elsewhere').toArray());
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  const told = vi.spyOn(console, 'error').mockImplementation(() => {});
  await job.alarm();
  expect(told).toHaveBeenCalled();
  expect(await job.inside((storage) => storage.getAlarm())).not.toBeNull();
});

test('invariant 9: the constructor re-arms an alarm that is missing', async () => {
  const job = await newJob({}, { sites: ['a', 'b'] });
  const due = Date.now() + 50_000;
  await job.inside(async (storage, sql) => {
    sql.exec('UPDATE alarm SET due = ?', due);
    await storage.deleteAlarm();
  });
  await job.evict();
  expect(await job.inside((storage) => storage.getAlarm())).toBe(due);
});

test('invariant 9: setAlarm rolls back with its turn, and a turn rejects a thenable', async () => {
  const job = await newJob({}, { sites: ['a'] });
  const stub = bindings.JOB.get(bindings.JOB.idFromName(job.id));
  await runInDurableObject(stub, async (_, ctx) => {
    const engine = new Engine(ctx, bindings);
    const before = { view: engine.record.read(), alarm: await ctx.storage.getAlarm() };
    const late = async () => engine.record.set({ name: 'changed' });
    expect(() => engine.turn(Date.now(), () => engine.alarms.arm(1, 1), late)).toThrow(TypeError);
    expect(() =>
      engine.turn(
        Date.now(),
        () => {
          engine.record.set({ name: 'changed' });
          engine.alarms.sweepAt(Date.now() + 1000);
          throw new Error('no');
        },
        () => null,
      ),
    ).toThrow('no');
    expect(engine.record.read()).toEqual(before.view);
    expect(await ctx.storage.getAlarm()).toBe(before.alarm);
  });
});

test('invariant 10: the directory hears every status; what does not arrive is sent again', async () => {
  const job = await newJob({}, { sites: ['a'] });
  const directory = bindings.DIRECTORY.get(bindings.DIRECTORY.idFromName('directory'));
  const status = () =>
    runInDurableObject(
      directory,
      (_, { storage }) =>
        storage.sql.exec('SELECT status FROM jobs WHERE id = ?', job.id).toArray()[0]?.['status'],
    );
  const index = (statement: string) =>
    runInDurableObject(directory, (_, { storage }) => void storage.sql.exec(statement));
  await directoryOf(bindings).ping();
  await index(
    `INSERT INTO jobs (id, name, status, seq, submitted, deploy, state, finished)
     VALUES ('${job.id}', 'x', 'SUBMITTED', 0, 0, '["@all"]', 'ready', 0)`,
  );
  await job.poll('a');
  await vi.waitFor(async () => expect(await status()).toBe('RUNNING'));

  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  await index('ALTER TABLE jobs RENAME TO away');
  await job.call((stub) => stub.abort(admin));
  await vi.waitFor(() => expect(warn).toHaveBeenCalled());
  await index('ALTER TABLE away RENAME TO jobs');
  expect(await status()).toBe('RUNNING');
  await job.evict();
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 4000);
  await job.alarm();
  await vi.waitFor(async () => expect(await status()).toBe('FINISHED:ABORTED'));
  await vi.waitFor(async () =>
    expect(await job.inside((_, sql) => sql.exec('SELECT * FROM outbox').toArray())).toEqual([]),
  );
});
