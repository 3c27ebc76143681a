import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import {
  admin,
  constant,
  enrol,
  initialDigest,
  newJob,
  site,
  TestJob,
} from '../../tests/workerd/job-fixture.ts';
import type { Env } from '../env.ts';
import { blobOf } from '../stubs.ts';

const bindings = env as unknown as Env;
const limits = LIMITS as { jobBytes: number; eventsKept: number; metricsKept: number };
const before = { ...LIMITS };
afterEach(() => {
  Object.assign(limits, before);
  vi.restoreAllMocks();
});
const FULL = { params_type: 'FULL' } as const;

test('the turn that opens a task answers all waiting polls', async () => {
  const job = await newJob({ minSites: 3 }, { sites: ['a', 'b', 'c'] });
  const waiting = ['a', 'b'].map((name) => job.poll(name, 20));
  await vi.waitFor(async () => expect((await job.view()).sites).toHaveLength(2));
  expect(await job.poll('c')).toMatchObject({ status: 'task', task: { id: 't1' } });
  for (const answer of await Promise.all(waiting)) {
    expect(answer).toMatchObject({ status: 'task', task: { id: 't1' } });
  }
  expect((await job.view()).sites.every(({ state }) => state === 'working')).toBe(true);
});

test('one waiting poll a site: a newer one ends the older with try-again', async () => {
  const job = await newJob({ minSites: 2 }, { sites: ['a', 'b'] });
  await job.poll('a');
  const older = job.poll('a', 20);
  const newer = job.poll('a', 20);
  expect(await older).toMatchObject({ status: 'try-again' });
  await job.poll('b');
  expect(await newer).toMatchObject({ status: 'task' });
});

test('an abort ends waiting polls; a revocation ends them with 401; the view says so first', async () => {
  const job = await newJob({ minSites: 3 }, { sites: ['a', 'b', 'c'] });
  for (const name of ['a', 'b']) await job.poll(name);
  const revoked = job.poll('b', 20).then(String, String);
  const aborted = job.poll('a', 20);
  const { version } = await job.view();
  const seen = job.call((stub) => stub.view(admin, version, 20));
  await job.stub.revoke('b', 2);
  expect(await revoked).toContain('unauthorized');
  expect((await seen).version).toBeGreaterThan(version);
  await job.call((stub) => stub.abort(admin));
  expect(await aborted).toEqual({ status: 'end', reason: 'aborted by the admin' });
  expect(await job.view()).toMatchObject({ status: 'FINISHED:ABORTED' });
});

test('a view with an older version is answered at once, a current one waits for news', async () => {
  const job = await newJob({}, { sites: ['a', 'b'] });
  const { version } = await job.view();
  expect((await job.call((stub) => stub.view(admin, version - 1, 20))).version).toBe(version);
  expect((await job.call((stub) => stub.view(admin, version, 0))).version).toBe(version);
  const news = job.call((stub) => stub.view(admin, version, 20));
  await job.poll('a');
  expect((await news).sites).toHaveLength(1);
});

test('an idle job holds no polls, and asks to come again later', async () => {
  const job = await newJob({}, { sites: ['a', 'b'] });
  await job.poll('a');
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + LIMITS.idlePollMS + 1000);
  const answer = await job.call((stub) => stub.poll(site('a'), 25));
  expect(answer.status).toBe('try-again');
  if (answer.status !== 'try-again') return;
  expect(answer.retryAfter).toBeGreaterThanOrEqual(15);
  expect(answer.retryAfter).toBeLessThanOrEqual(60);
});

test('who may: strangers, older generations, sites that the job is not deployed to, unknown jobs', async () => {
  const job = await newJob({ deploy: ['a*'], minSites: 1 }, { sites: ['a', 'b'] });
  const says = (name: string, generation = 1) =>
    job.stub.poll(site(name, generation), 0).then((r) => (r.ok ? r.value.status : r.error.reason));
  expect(await says('a-stranger')).toBe('unauthorized');
  expect(await says('a', 7)).toBe('unauthorized');
  expect(await says('b')).toBe('forbidden');
  expect(await says('a')).toBe('task');
  expect(await says('a', 0)).toBe('unauthorized');
  const none = new TestJob('no such job', false);
  expect(await none.stub.view(admin)).toMatchObject({ error: { reason: 'not-found' } });
  expect(await none.stub.poll(site('a'), 0)).toMatchObject({ error: { reason: 'not-found' } });
  expect(await none.stub.poll(site('x'), 0)).toMatchObject({ error: { reason: 'unauthorized' } });
  const tables = await none.inside((_, sql) =>
    sql.exec('SELECT name FROM sqlite_master').toArray(),
  );
  expect(tables.filter(({ name }) => !String(name).startsWith('_cf'))).toEqual([]);
});

test('a first contact that crosses a revocation stays out', async () => {
  const job = await newJob({ minSites: 1 }, { sites: ['a', 'x'] });
  await job.stub.revoke('x', 2);
  expect(await job.stub.poll(site('x', 1), 0)).toMatchObject({ error: { reason: 'unauthorized' } });
});

test('create is idempotent, and refuses a model that is not there', async () => {
  const job = await newJob({}, { sites: ['a'] });
  const spec = await job.call((stub) => stub.spec(admin));
  const again = { id: job.id, spec, submitted: 1, clonedFrom: null };
  expect(await job.call((stub) => stub.create(again))).toMatchObject({
    id: job.id,
    status: 'APPROVED',
  });
  expect((await job.view()).times.submitted).not.toBe(1);

  const other = new TestJob(`other-${crypto.randomUUID()}`, false);
  const missing = { ...spec, model: `sha256-${'0'.repeat(64)}` };
  expect(
    await other.stub.create({ id: other.id, spec: missing, submitted: 1, clonedFrom: null }),
  ).toMatchObject({ error: { code: 'MISSING_BLOB' } });
  expect(await other.stub.view(admin)).toMatchObject({ error: { reason: 'not-found' } });
});

test('destroy aborts, lets the blobs go and leaves nothing', async () => {
  const job = await newJob({}, { sites: ['a'] });
  const holds = () =>
    runInDurableObject(
      bindings.BLOB.get(bindings.BLOB.idFromName(initialDigest)),
      (_, { storage }) =>
        storage.sql.exec('SELECT * FROM holds WHERE job = ?', job.id).toArray().length,
    );
  await vi.waitFor(async () => expect(await holds()).toBe(1));
  const task = await job.task('a');
  await job.poll('a');
  await job.stub.destroy();
  await job.stub.destroy();
  expect(await holds()).toBe(0);
  expect(await job.stub.view(admin)).toMatchObject({ error: { reason: 'not-found' } });
  expect(await job.reply('a', task.id, FULL, constant(1))).toMatchObject({ reason: 'not-found' });
  expect(await job.inside((storage) => storage.getAlarm())).toBeNull();
  expect(await blobOf(bindings, initialDigest).stat()).not.toBeNull();
});

test('a full job refuses with storage-full and is suspended; the assignment stays open', async () => {
  const job = await newJob({}, { sites: ['a'] });
  const { id } = await job.task('a');
  limits.jobBytes = 50;
  await job.evict();
  expect(await job.reply('a', id, FULL, constant(1))).toMatchObject({ reason: 'storage-full' });
  expect(await job.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: "task t1: the results that it waits for don't fit in the job's storage",
  });
  limits.jobBytes = before.jobBytes;
  await job.evict();
  expect(await job.reply('a', id, FULL, constant(1))).toEqual({ status: 'accepted' });
  await job.call((stub) => stub.resume(admin));
  expect(await job.view()).toMatchObject({ status: 'RUNNING', round: 1 });
});

test('a superseded model is readable for 10 minutes more; initial, global and best stay', async () => {
  const job = await newJob({}, { sites: ['a'], evict: true });
  const digests: string[] = [];
  for (let round = 0; round < 3; round++) {
    const { id } = await job.task('a');
    const header = { ...FULL, metrics: { accuracy: { sum: 3 - round, count: 10 } } };
    await job.reply('a', id, header, constant(round));
    digests.push((await job.view()).models['global']?.digest ?? '');
  }
  const validate = await job.task('a');
  await job.reply('a', validate.id, { metrics: { accuracy: { sum: 0, count: 10 } } });
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  // The first metrics were the best: about the initial model.
  expect(view.models['best']?.digest).toBe(initialDigest);
  const get = (digest: string | undefined) =>
    job.fetch(`/models/${digest}`, admin).then(({ headers }) => !headers.has('x-tributary-fault'));
  expect(await get(digests[0])).toBe(true);
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + LIMITS.modelGraceMS + 1000);
  await job.alarm();
  expect([await get(digests[0]), await get(digests[1])]).toEqual([false, false]);
  expect([await get(digests[2]), await get(initialDigest)]).toEqual([true, true]);
  const { runs } = await job.inside((_, sql) =>
    sql.exec<{ runs: number }>('SELECT count(*) AS runs FROM chunk_runs').one(),
  );
  // Two models, each with its header.
  expect(runs).toBe(4);
});

test('metrics come in once, page by page, and the oldest go', async () => {
  const job = await newJob({ minSites: 2 }, { sites: ['a', 'b'] });
  const log = (name: string, ...seqs: number[]) =>
    job.call((stub) =>
      stub.analytics(
        site(name),
        seqs.map((seq) => ({
          seq,
          key: seq % 2 ? 'loss' : 'lr',
          value: seq,
          type: 'SCALAR',
          step: seq,
          time: 5,
        })),
      ),
    );
  const page = (query: object) =>
    job
      .call((stub) => stub.metrics(admin, { limit: 10, ...query }))
      .then(({ metrics, next }) => ({
        got: metrics.map((m) => `${m.site}${String(m.value)}`).join(' '),
        next,
      }));
  expect(await log('a', 0, 1, 2)).toEqual({ accepted: 3 });
  expect(await log('a', 1, 2, 3)).toEqual({ accepted: 3 });
  await log('b', 0);
  expect(await page({})).toEqual({ got: 'a0 a1 a2 a3 b0', next: null });
  expect(await page({ limit: 2 })).toEqual({ got: 'a0 a1', next: 2 });
  expect(await page({ limit: 2, after: 2 })).toEqual({ got: 'a2 a3', next: 4 });
  expect((await page({ site: 'a', key: 'loss' })).got).toBe('a1 a3');
  limits.metricsKept = 2;
  await log('b', 1);
  expect((await page({})).got).toBe('b0 b1');
  // What was dropped is not taken for new.
  await log('a', 2, 3, 4);
  expect((await page({})).got).toBe('b1 a4');
});

/** The blocks of an event stream as [event, id, data]. */
const blocks = (text: string) =>
  text
    .split('\n\n')
    .filter((block) => block.startsWith('id:'))
    .map((block) => {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)));
      return [fields['event'], Number(fields['id']), JSON.parse(fields['data'] ?? '{}')] as const;
    });

test('events are told in order, resumed by Last-Event-ID, with a gap where rows are gone', async () => {
  const job = await newJob(
    { workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 1 } }] },
    { sites: ['a'] },
  );
  const { id } = await job.task('a');
  await job.reply('a', id, FULL, constant(1));
  const read = async (last?: string) => {
    const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last };
    return blocks(await (await job.fetch('/events', admin, { headers })).text());
  };
  const all = await read();
  expect(
    all.map(([event, , data]) => [event, data.status ?? data.state ?? data.type ?? data.site]),
  ).toEqual([
    ['status', 'APPROVED'],
    ['log', 'joined'],
    ['status', 'DISPATCHED'],
    ['status', 'RUNNING'],
    ['round', 'started'],
    ['task', 'open'],
    ['reply', 'a'],
    ['task', 'ok'],
    ['round', 'ok'],
    ['status', 'FINISHED:COMPLETED'],
  ]);
  const ids = all.map(([, n]) => n);
  expect(ids).toEqual([...ids].sort((x, y) => x - y));
  expect(await read(String(ids[6]))).toEqual(all.slice(7));
  expect(await read(String(ids.at(-1)))).toEqual([]);
  await job.inside((_, sql) => sql.exec('DELETE FROM events WHERE id <= ?', ids[7]).toArray());
  expect((await read(String(ids[2])))[0]).toEqual([
    'gap',
    ids[7],
    { from: (ids[2] ?? 0) + 1, to: ids[7] },
  ]);
  const bad = await job.fetch('/events', admin, { headers: { 'last-event-id': 'x' } });
  expect(await bad.json()).toMatchObject({ reason: 'malformed' });
  expect(await (await job.fetch('/events', site('a'))).json()).toMatchObject({
    reason: 'forbidden',
  });
});

test('an event stream goes on while the job does', async () => {
  const job = await newJob({ minSites: 2 }, { sites: ['a', 'b'] });
  const stub = bindings.JOB.get(bindings.JOB.idFromName(job.id));
  const response = await stub.fetch('http://object/events', {
    headers: { 'x-tributary-caller': JSON.stringify(admin) },
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  const until = async (word: string) => {
    while (!text.includes(word)) text += new TextDecoder().decode((await reader.read()).value);
  };
  await until('APPROVED');
  await job.poll('a');
  await until('DISPATCHED');
  await job.call((stub) => stub.abort(admin));
  await until('FINISHED:ABORTED');
  expect((await reader.read()).done).toBe(true);
});

test('only so many events are kept', async () => {
  limits.eventsKept = 5;
  const job = await newJob({}, { sites: ['a'] });
  await job.poll('a');
  const kept = await job.inside((_, sql) => sql.exec('SELECT id FROM events').toArray().length);
  expect(kept).toBe(5);
});

test("a site reads the job's models and its task's, and no other site's", async () => {
  const workflows = [{ id: 'cross', use: 'cross-site-eval' }];
  const job = await newJob({ workflows }, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.poll(name);
  for (const name of ['a', 'b']) {
    const { id } = await job.task(name);
    await job.reply(name, id, FULL, constant(name === 'a' ? 1 : 2));
  }
  const reads = async (who: Parameters<typeof job.fetch>[1], path: string) => {
    const answer = await job.fetch(path, who);
    return answer.headers.has('x-tributary-fault')
      ? ((await answer.json()) as { reason: string }).reason
      : answer.status;
  };
  const { models } = await job.view();
  const { model } = await job.task('a');
  expect(model?.digest).toBe(initialDigest);
  expect(await reads(site('a'), `/blobs/${initialDigest}`)).toBe(200);
  expect(await reads(site('a'), '/models/global')).toBe(200);
  expect(await reads(site('a'), '/models/best')).toBe('not-found');
  expect(await reads(site('a'), '/models/b')).toBe('forbidden');
  expect(await reads(site('a'), `/blobs/${models['b']?.digest}`)).toBe('forbidden');
  expect(await reads(admin, '/models/b')).toBe(200);
  for (let n = 0; n < 2; n++) {
    const { id } = await job.task('a');
    await job.reply('a', id, { metrics: { accuracy: 1 } });
  }
  expect((await job.task('a')).model?.digest).toBe(models['b']?.digest);
  expect(await reads(site('a'), `/blobs/${models['b']?.digest}`)).toBe(200);
});

test('cross-site-eval: a lost site and an error leave empty cells with the reason', async () => {
  await enrol('a', 'b');
  const workflows = [{ id: 'cross', use: 'cross-site-eval', args: { assignmentTimeout: 30 } }];
  const job = await newJob({ workflows }, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.poll(name);
  await job.reply('a', (await job.task('a')).id, FULL, constant(1));
  await job.reply('b', (await job.task('b')).id, { return_code: 'EMPTY_RESULT' });
  for (let n = 0; n < 2; n++) {
    const { id } = await job.task('a');
    await job.reply('a', id, { metrics: { accuracy: { sum: 3, count: 4 } } });
  }
  let now = Date.now();
  const clock = vi.spyOn(Date, 'now');
  for (let n = 0; n < 32; n++) {
    clock.mockReturnValue((now += 1000));
    await job.alarm();
  }
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  const good = { metrics: { accuracy: 0.75 }, examples: 4 };
  const gone = { reason: 'it did not take the task in time' };
  const none = { reason: 'b gave no model: EMPTY_RESULT' };
  expect(view.results['cross']).toEqual({
    a: { global: good, a: good, b: none },
    b: { global: gone, a: gone, b: none },
  });
});
