import { afterEach, expect, test, vi } from 'vitest';
import * as v from 'valibot';
import { LIMITS } from '../../core/protocol/limits.ts';
import { WORKFLOWS } from '../../core/workflows/registry.ts';
import { broadcast, event, loadModel, sampleClients, saveModel } from '../../core/workflows/ops.ts';
import type { Flow, TaskRequest } from '../../core/workflows/ops.ts';
import { again, done, workflow } from '../../core/workflows/workflow.ts';
import type { Turn, Workflow } from '../../core/workflows/workflow.ts';
import { constant, newJob } from '../../tests/workerd/job-fixture.ts';
import type { TestJob } from '../../tests/workerd/job-fixture.ts';

type State = { round: number };

/** A workflow of two rounds that asks all sites for a metric; `round` may be another. */
const asking = (
  part: Partial<Workflow<unknown, State>> = {},
  round: (state: State) => Flow<Turn<State>> = ask,
): Workflow =>
  workflow<unknown, State>({
    name: 'probe',
    version: 1,
    args: v.unknown(),
    needsModel: false,
    tasks: ['probe'],
    totalRounds: () => 2,
    aggregators: () => [],
    start: () => ({ round: 0 }),
    round: (_, state) => round(state),
    roundOf: (state) => state.round,
    ...part,
  });

const request = (round: number, to: readonly string[]): TaskRequest => ({
  name: 'probe',
  to,
  model: null,
  data: {},
  round,
  totalRounds: 2,
  results: { kind: 'metrics' },
  min: null,
  waitAfterMin: 0,
  timeout: 0,
  assignmentTimeout: 0,
  onShortfall: 'suspend',
  ignoreErrors: false,
});
const question = (round: number, to: readonly string[]) => broadcast(request(round, to));

function* ask({ round }: State): Flow<Turn<State>> {
  const to = yield* sampleClients();
  const { metrics } = yield* question(round, to);
  return round === 0 ? again({ round: 1 }) : done({ score: metrics['score'] ?? null });
}

afterEach(() => {
  delete WORKFLOWS['probe'];
});

const sites = ['a', 'b'];
const start = async (workflow: Workflow, evict = true): Promise<TestJob> => {
  WORKFLOWS['probe'] = workflow;
  return newJob({ workflows: [{ id: 'probe', use: 'probe', args: {} }] }, { sites, evict });
};
const answer = async (job: TestJob, name: string) => {
  const task = await job.task(name);
  return job.reply(name, task.id, { metrics: { score: 1 } });
};
const round = async (job: TestJob) => {
  for (const name of sites) expect(await answer(job, name)).toEqual({ status: 'accepted' });
};
const join = async (job: TestJob) => {
  for (const name of sites) await job.poll(name);
};

test('invariant 3: an op is settled once; its row precedes its effect on the generator', async () => {
  let runs = 0;
  const job = await start(
    asking({}, function* ({ round }) {
      runs++;
      const to = yield* sampleClients();
      // What a workflow does to a value must not reach the journal.
      to.push('nobody');
      yield* event('seen', to);
      const { metrics } = yield* question(round, to.slice(0, 2));
      return round === 0 ? again({ round: 1 }) : done({ score: metrics['score'] ?? null });
    }),
  );
  await join(job);
  await round(job);
  await round(job);
  expect(runs).toBeGreaterThan(2);
  const events = await job.inside((_, sql) =>
    sql.exec<{ data: string }>(`SELECT data FROM events WHERE kind = 'log'`).toArray(),
  );
  const seen = events.map(({ data }) => JSON.parse(data)).filter(({ type }) => type === 'seen');
  expect(seen).toHaveLength(2);
  expect((await job.view()).results).toEqual({ probe: { score: { sum: 2, count: 2 } } });
});

test('invariant 4: replay compares the whole op; a mismatch suspends the job with the reason', async () => {
  const job = await start(asking());
  await join(job);
  const op = (name: string) =>
    `UPDATE journal SET op = replace(op, '"${name}"', '"x"') WHERE seq = 1`;
  await job.inside((_, sql) => sql.exec(op('probe')).toArray());
  expect(await answer(job, 'a')).toEqual({ status: 'accepted' });
  // Only a closed task has the round go on.
  expect(await answer(job, 'b')).toEqual({ status: 'accepted' });
  const view = await job.view();
  expect(view).toMatchObject({ status: 'SUSPENDED' });
  expect(view.reason).toContain(
    'probe, round 0: op 1: the journal has {"op":"start","task":{"name":"x"',
  );
  expect(view.reason).toContain('the workflow asks for {"op":"start","task":{"name":"probe"');
  expect(await job.poll('a')).toMatchObject({ status: 'try-again' });

  await job.inside((_, sql) =>
    sql.exec(`UPDATE journal SET op = replace(op, '"x"', '"probe"')`).toArray(),
  );
  await job.poll('a');
  expect(await job.view()).toMatchObject({ status: 'RUNNING', reason: null, round: 1 });
  await round(job);
  expect(await job.view()).toMatchObject({ status: 'FINISHED:COMPLETED' });
});

test('invariant 5: a fault rolls back only its savepoint; the reply is kept and the next turn tries again', async () => {
  let broken = false;
  const job = await start(
    asking({}, function* (state) {
      const to = yield* sampleClients();
      yield* question(state.round, to);
      yield* event('half', null);
      if (broken) throw new Error('a bug in the workflow');
      return state.round === 0 ? again({ round: 1 }) : done(null);
    }),
  );
  await join(job);
  broken = true;
  await round(job);
  expect(await job.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: 'probe, round 0: a bug in the workflow',
  });
  const kept = await job.inside((_, sql) => ({
    replies: sql.exec('SELECT * FROM replies').toArray().length,
    half: sql.exec(`SELECT * FROM events WHERE data LIKE '%half%'`).toArray().length,
  }));
  expect(kept).toEqual({ replies: 2, half: 0 });
  expect(await job.poll('a')).toMatchObject({ status: 'try-again' });

  broken = false;
  const view = await job.call((stub) => stub.resume({ role: 'admin' }));
  expect(view).toMatchObject({ status: 'RUNNING', round: 1 });
});

test('what a suspended round has made stays for as long as it is suspended', async () => {
  let broken = true;
  const job = await start(
    asking({}, function* (state) {
      const to = yield* sampleClients();
      const { model } = yield* broadcast({
        ...request(state.round, to),
        model: yield* loadModel(),
        results: {
          kind: 'fold',
          paramsType: 'FULL',
          fold: { use: 'mean', weightBy: 'uniform', partial: false },
        },
      });
      if (broken) throw new Error('a bug in the workflow');
      if (model) yield* saveModel(model);
      return done(model);
    }),
  );
  await join(job);
  for (const name of sites) {
    await job.reply(name, (await job.task(name)).id, { params_type: 'FULL' }, constant(4));
  }
  expect(await job.view()).toMatchObject({ status: 'SUSPENDED' });
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * LIMITS.modelGraceMS);
  await job.alarm();
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * LIMITS.modelGraceMS);
  await job.alarm();
  broken = false;
  const view = await job.call((stub) => stub.resume({ role: 'admin' }));
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(view.models['global'])).toEqual(Array(9).fill(4));
  vi.restoreAllMocks();
});

test('invariant 8: a job pins {workflow, version}; upgrades only between rounds', async () => {
  const job = await start(asking());
  await join(job);
  WORKFLOWS['probe'] = asking({ version: 2, upgrade: (state) => state as State });
  await round(job);
  expect(await job.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: expect.stringContaining(
      'version 1 of probe is pinned, this server has 2: it changes only',
    ),
  });
  WORKFLOWS['probe'] = asking();
  await job.poll('a');
  expect(await job.view()).toMatchObject({ status: 'RUNNING', round: 1 });

  // Between rounds: a job that has a state and an empty journal.
  await job.inside((_, sql) => sql.exec('DELETE FROM journal').toArray());
  await job.inside((_, sql) => sql.exec('UPDATE job SET parked = NULL').toArray());
  WORKFLOWS['probe'] = asking({ version: 2 });
  await job.poll('a');
  expect(await job.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: expect.stringContaining("can't take over its state"),
  });
  WORKFLOWS['probe'] = asking({ version: 2, upgrade: () => ({ round: 0 }) });
  await job.poll('a');
  expect(await job.view()).toMatchObject({ status: 'RUNNING' });
  expect(await job.inside((_, sql) => sql.exec('SELECT pinned FROM job').one())).toEqual({
    pinned: 2,
  });
});

test('a workflow that never waits is suspended, not run for ever', async () => {
  const job = await start(
    asking({}, function* ({ round }) {
      yield* sampleClients();
      return again({ round: round + 1 });
    }),
  );
  await join(job);
  expect(await job.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: expect.stringContaining('100 rounds passed without waiting for anything'),
  });
});

test('a state of 64 KiB is taken, one byte more suspends the job', async () => {
  const big = (bytes: number) =>
    asking({
      start: () => ({ round: 0, pad: 'x'.repeat(bytes - '{"round":0,"pad":""}'.length) }) as State,
    });
  const fits = await start(big(64 * 1024));
  await join(fits);
  expect(await fits.view()).toMatchObject({ status: 'RUNNING' });
  const over = await start(big(64 * 1024 + 1));
  await join(over);
  expect(await over.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: expect.stringContaining('at most 65536 bytes'),
  });
});

test('panic ends the job with its reason', async () => {
  const job = await start(
    asking({}, function* () {
      yield { op: 'panic', reason: 'the data make no sense' };
      return done(null);
    }),
  );
  await join(job);
  expect(await job.view()).toMatchObject({
    status: 'FINISHED:EXECUTION_EXCEPTION',
    reason: 'the data make no sense',
  });
  expect(await job.poll('a')).toEqual({ status: 'end', reason: 'the data make no sense' });
});
