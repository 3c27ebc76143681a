import { env } from 'cloudflare:workers';
import { afterEach, expect, test, vi } from 'vitest';
import { runInDurableObject } from 'cloudflare:test';
import { LIMITS } from '../../core/protocol/limits.ts';
import { crossSiteEval } from '../../core/workflows/cross-site-eval.ts';
import { WORKFLOWS } from '../../core/workflows/registry.ts';
import { done } from '../../core/workflows/workflow.ts';
import {
  admin,
  constant,
  initialDigest,
  newJob,
  site,
  TestJob,
  uploadBlob,
} from '../../tests/workerd/job-fixture.ts';
import type { Env } from '../env.ts';
import { blobOf, directoryOf } from '../stubs.ts';

const bindings = env as unknown as Env;
const limits = LIMITS as { jobBytes: number; workflowResultBytes: number };
const before = { ...LIMITS };
afterEach(() => {
  Object.assign(limits, before);
  vi.restoreAllMocks();
});
const FULL = { params_type: 'FULL' } as const;
const rounds = (n: number) => [
  { id: 'train', use: 'fed-avg', args: { rounds: n, selection: 'none' } },
];
/** Bytes of the fixture's data region: nine float32. */
const DATA = 36;

const held = (job: TestJob): Promise<number> =>
  job.inside(
    (_, sql) =>
      sql.exec<{ n: number }>(`SELECT sum(bytes) AS n FROM chunk_runs WHERE state <> 'dead'`).one()
        .n,
  );
/** Lets the job hold so many bytes more than it does. */
async function leave(job: TestJob, bytes: number): Promise<void> {
  limits.jobBytes = (await held(job)) + bytes;
  await job.evict();
}
const train = async (job: TestJob, name: string, value: number) => {
  const { id } = await job.task(name);
  return job.reply(name, id, FULL, constant(value));
};

test('a fold without room suspends the job with its results kept, and resume goes on with them', async () => {
  const job = await newJob({ workflows: rounds(1) }, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.poll(name);
  await leave(job, 2 * DATA + 10);
  expect(await train(job, 'a', 1)).toEqual({ status: 'accepted' });
  expect(await train(job, 'b', 3)).toEqual({ status: 'accepted' });
  const reason =
    'train: the results cannot be folded: the results and models of this job fill its storage';
  expect(await job.view()).toMatchObject({ status: 'SUSPENDED', reason });
  // It neither tries again by itself nor sets its alarm for now.
  await job.alarm();
  expect(await job.view()).toMatchObject({ status: 'SUSPENDED', reason });
  expect(await job.poll('a')).toMatchObject({ status: 'try-again' });
  // Still no room: the same again.
  await job.call((stub) => stub.resume(admin));
  await job.alarm();
  expect(await job.view()).toMatchObject({ status: 'SUSPENDED', reason });

  limits.jobBytes = before.jobBytes;
  await job.evict();
  await job.call((stub) => stub.resume(admin));
  await job.alarm();
  const view = await job.view();
  expect(view).toMatchObject({ status: 'FINISHED:COMPLETED', reason: null });
  expect(await job.model(view.models['global'])).toEqual(Array(9).fill(2));
});

test('models that are only kept for slow downloads make room for a fold and for a result', async () => {
  const job = await newJob({ workflows: rounds(5) }, { sites: ['a'] });
  for (let round = 0; round < 3; round++) await train(job, 'a', round + 1);
  const retired = () =>
    job.inside(
      (_, sql) => sql.exec('SELECT * FROM models WHERE delete_at IS NOT NULL').toArray().length,
    );
  expect(await retired()).toBe(2);
  await leave(job, DATA + 10);
  expect(await train(job, 'a', 7)).toEqual({ status: 'accepted' });
  const { models, status } = await job.view();
  expect(status).toBe('RUNNING');
  expect(await job.model(models['global'])).toEqual(Array(9).fill(7));
  // Round 3's end retired the model before; now there is no room to receive in.
  expect(await retired()).toBe(1);
  await leave(job, 10);
  expect(await train(job, 'a', 8)).toMatchObject({ reason: 'storage-full' });
  expect(await retired()).toBe(0);
  expect(await train(job, 'a', 8)).toEqual({ status: 'accepted' });
});

test('an exception while folding suspends the job; calls go on, the replies are kept', async () => {
  const job = await newJob({ workflows: rounds(1) }, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.poll(name);
  await train(job, 'a', 1);
  const damage = (from: number, to: number) =>
    job.inside((_, sql) =>
      sql
        .exec(
          `UPDATE chunks SET id = id + ? - ? WHERE id / 1048576 IN (SELECT run + ? FROM uploads)`,
          to,
          from,
          from === 0 ? 0 : 500,
        )
        .toArray(),
    );
  const far = 500 * 2 ** 20;
  await damage(0, far);
  expect(await train(job, 'b', 3)).toEqual({ status: 'accepted' });
  const view = await job.view();
  expect(view.status).toBe('SUSPENDED');
  expect(view.reason).toMatch(/^train: the results cannot be folded: run \d+ has no row 0$/);
  expect(await job.poll('a')).toMatchObject({ status: 'try-again' });
  await job.alarm();
  expect(await job.call((stub) => stub.lease(site('a'), 't1'))).toMatchObject({ status: 'closed' });

  await damage(far, 0);
  await job.call((stub) => stub.resume(admin));
  await job.alarm();
  const end = await job.view();
  expect(end.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(end.models['global'])).toEqual(Array(9).fill(2));
});

test('a workflow that breaks a constraint suspends its job, and does not fail each call from now on', async () => {
  WORKFLOWS['twice'] = {
    ...crossSiteEval,
    name: 'twice',
    *round() {
      yield {
        op: 'start',
        task: {
          name: 'train',
          to: ['a', 'a'],
          model: null,
          data: {},
          round: 0,
          totalRounds: 1,
          results: { kind: 'metrics' },
          min: null,
          waitAfterMin: 0,
          timeout: 0,
          assignmentTimeout: 0,
          onShortfall: 'suspend',
          ignoreErrors: false,
        },
      };
      return done(null);
    },
  };
  const job = await newJob({ workflows: [{ id: 'twice', use: 'twice' }] }, { sites: ['a'] });
  expect(await job.poll('a')).toMatchObject({ status: 'try-again' });
  expect(await job.view()).toMatchObject({ status: 'SUSPENDED' });
  delete WORKFLOWS['twice'];
});

test('a result of more than a row is kept whole; one above its limit ends the job as ABNORMAL', async () => {
  // Characters of three bytes, so that rows end within one.
  const table = { text: '€'.repeat(LIMITS.rowBytes), end: true };
  WORKFLOWS['large'] = {
    ...crossSiteEval,
    name: 'large',
    // oxlint-disable-next-line require-yield -- it has nothing to wait for
    *round() {
      return done(table);
    },
  };
  const workflows = [
    { id: 'first', use: 'large' },
    { id: 'second', use: 'large' },
  ];
  const job = await newJob({ workflows }, { sites: ['a'] });
  await job.poll('a');
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(view.results).toEqual({ first: table, second: table });
  const largest = await job.inside((_, sql) =>
    sql.exec('SELECT max(length(bytes)) AS bytes FROM workflow_results').one(),
  );
  expect(largest).toEqual({ bytes: LIMITS.rowBytes });

  const bytes = JSON.stringify(table).length + 2 * LIMITS.rowBytes;
  limits.workflowResultBytes = bytes;
  const fits = await newJob({ workflows }, { sites: ['a'] });
  await fits.poll('a');
  expect((await fits.view()).status).toBe('FINISHED:COMPLETED');
  limits.workflowResultBytes = bytes - 1;
  const over = await newJob({ workflows }, { sites: ['a'] });
  await over.poll('a');
  expect(await over.view()).toMatchObject({
    status: 'FINISHED:ABNORMAL',
    reason: `first: a result of ${bytes} bytes; at most ${bytes - 1}`,
  });
  delete WORKFLOWS['large'];
});

test('a blob that can not be read now delays a creation; a repetition completes it', async () => {
  const source = await newJob({}, { sites: ['a'] });
  const spec = await source.call((stub) => stub.spec(admin));
  const job = new TestJob(`later-${crypto.randomUUID()}`, false);
  const create = () =>
    job.stub.create({ id: job.id, spec, submitted: Date.now(), clonedFrom: null });
  const store = (name: string) =>
    runInDurableObject(
      bindings.BLOB.get(bindings.BLOB.idFromName(initialDigest)),
      (_, { storage }) => void storage.sql.exec('UPDATE blob SET store = ?', name),
    );
  await store('r2');
  expect(await create()).toMatchObject({ ok: false, error: { reason: 'unavailable' } });
  expect(await job.view()).toMatchObject({ status: 'SUBMITTED' });
  await store('rows');
  expect(await create()).toMatchObject({ ok: true, value: { status: 'APPROVED' } });
});

test('creations at once are one; a later one changes nothing', async () => {
  const source = await newJob({ minSites: 1 }, { sites: ['a'] });
  const spec = await source.call((stub) => stub.spec(admin));
  const job = new TestJob(`both-${crypto.randomUUID()}`, false);
  const create = (blob = spec.model) =>
    job.stub.create({
      id: job.id,
      spec: { ...spec, ...(blob && { model: blob }) },
      submitted: Date.now(),
      clonedFrom: null,
    });
  const missing = `sha256-${'0'.repeat(64)}`;
  for (const refused of await Promise.all([create(missing), create(missing)])) {
    expect(refused).toMatchObject({ ok: false, error: { code: 'MISSING_BLOB' } });
  }
  expect(await job.stub.view(admin)).toMatchObject({ error: { reason: 'not-found' } });
  const made = await Promise.all([create(), create(), job.stub.destroy(), create()]);
  expect(made.map((answer) => answer === undefined || (answer as { ok: boolean }).ok)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  await job.poll('a');
  await create();
  expect((await job.view()).status).toBe('RUNNING');
});

test('a job holds all its blobs before it is approved, and is refused where one is gone', async () => {
  const source = await newJob({}, { sites: ['a'] });
  const spec = await source.call((stub) => stub.spec(admin));
  const bytes = new TextEncoder().encode(`program ${crypto.randomUUID()}`);
  const program = await uploadBlob(new Uint8Array(bytes));
  const manifest = {} as (typeof spec.programs)[string]['manifest'];
  const make = async (blob: string) => {
    const job = new TestJob(`held-${crypto.randomUUID()}`, false);
    const programs = { train: { blob, manifest } };
    const answer = await job.stub.create({
      id: job.id,
      spec: { ...spec, programs },
      submitted: Date.now(),
      clonedFrom: null,
    });
    return { job, answer };
  };
  const holds = (digest: string, job: TestJob) =>
    runInDurableObject(
      bindings.BLOB.get(bindings.BLOB.idFromName(digest)),
      (_, { storage }) =>
        storage.sql.exec('SELECT * FROM holds WHERE job = ?', job.id).toArray().length,
    );
  const good = await make(program);
  expect(good.answer).toMatchObject({ ok: true });
  expect(await holds(program, good.job)).toBe(1);
  expect(await holds(initialDigest, good.job)).toBe(1);
  const bad = await make(`sha256-${'1'.repeat(64)}`);
  expect(bad.answer).toMatchObject({
    ok: false,
    error: { code: 'MISSING_BLOB', errors: [{ path: 'programs.train.blob' }] },
  });
  expect(await bad.job.stub.view(admin)).toMatchObject({ error: { reason: 'not-found' } });
  expect(await holds(initialDigest, bad.job)).toBe(0);
  expect(await blobOf(bindings, initialDigest).stat()).not.toBeNull();
});

test('a site that is revoked after the job has ended loses its token there too', async () => {
  const job = await newJob({ workflows: rounds(1) }, { sites: ['a'] });
  await train(job, 'a', 1);
  expect((await job.view()).status).toBe('FINISHED:COMPLETED');
  expect(await job.stub.view(site('a'))).toMatchObject({ ok: true });
  await directoryOf(bindings).ping();
  await job.stub.revoke('a', 2);
  for (const answer of [
    await job.stub.view(site('a')),
    await job.stub.spec(site('a')),
    await job.stub.poll(site('a'), 0),
  ]) {
    expect(answer).toMatchObject({ error: { reason: 'unauthorized' } });
  }
});
