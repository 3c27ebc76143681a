import { afterEach, expect, test, vi } from 'vitest';
import { admin, constant, newJob, site } from '../../tests/workerd/job-fixture.ts';
import { clock, FULL, S, states, training } from '../../tests/workerd/training.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('a site that asks again before answering gets the same task', async () => {
  const { job, send } = await training({});
  const first = await job.task('a');
  expect(await job.task('a')).toEqual(first);
  expect(first).toMatchObject({
    id: 't1',
    name: 'train',
    workflow: 'train',
    round: 0,
    totalRounds: 1,
    paramsType: 'ANY',
    data: {},
    deadline: null,
    lease: { seconds: 60, url: `/v1/jobs/${job.id}/tasks/t1/lease` },
    resultUrl: `/v1/jobs/${job.id}/tasks/t1/result`,
  });
  await send('a');
  expect(await job.poll('a')).toMatchObject({ status: 'try-again' });
});

test('a lease runs out, is renewed, and comes back', async () => {
  const { job, later } = await training({});
  expect(await states(job)).toEqual({ a: 'working', b: 'working', c: 'working' });
  await later(40 * S);
  expect(await job.call((stub) => stub.lease(site('a'), 't1'))).toEqual({
    status: 'open',
    lease: 60,
  });
  await later(30 * S);
  expect(await states(job)).toEqual({ a: 'working', b: 'lost', c: 'lost' });
  expect((await job.task('b')).id).toBe('t1');
  expect(await job.call((stub) => stub.lease(site('c'), 't1'))).toMatchObject({ status: 'open' });
  expect(await states(job)).toEqual({ a: 'working', b: 'working', c: 'working' });
});

test('with minResponses it closes once no live lease is outstanding', async () => {
  const { send, later } = await training({ minResponses: 2, waitAfterMin: 3600 });
  await send('a');
  await send('b');
  expect(await later(50 * S)).toMatchObject({ status: 'RUNNING' });
  expect(await later(11 * S)).toMatchObject({ status: 'FINISHED:COMPLETED' });
});

test('with minResponses it closes when waitAfterMin has passed', async () => {
  const { job, send, later } = await training({ minResponses: 2, waitAfterMin: 5 });
  await send('a');
  await send('b');
  expect(await later(4 * S)).toMatchObject({ status: 'RUNNING' });
  expect(await later(1 * S)).toMatchObject({ status: 'FINISHED:COMPLETED' });
  expect(await job.call((stub) => stub.lease(site('c'), 't1'))).toMatchObject({ status: 'closed' });
});

test('with minResponses a late joiner may take the task', async () => {
  const { job, send } = await training(
    { minResponses: 3 },
    { sites: ['a', 'b', 'late'], minSites: 2, take: ['a', 'b'] },
  );
  await send('a');
  await send('b');
  expect((await job.task('late')).id).toBe('t1');
  await send('late');
  expect((await job.view()).status).toBe('FINISHED:COMPLETED');
});

test('below the minimum at its timeout: suspended with the reason, and resume reopens it', async () => {
  const { job, send, later } = await training({ timeout: 30 });
  await send('a');
  await send('b');
  const view = await later(31 * S);
  expect(view).toMatchObject({
    status: 'SUSPENDED',
    reason: 'train: time is over with 2 of 3 answers (c: it did not finish in time)',
  });
  expect(await job.poll('c')).toMatchObject({ status: 'try-again' });
  await job.alarm();
  expect(await job.call((stub) => stub.resume(admin))).toMatchObject({
    status: 'RUNNING',
    reason: null,
    task: { id: 't1', received: 2, deadline: clock.now + 30 * S },
  });
  expect((await job.task('c')).id).toBe('t1');
  await send('c');
  expect((await job.view()).status).toBe('FINISHED:COMPLETED');
});

test('a reply during suspension is kept, and resume closes with it', async () => {
  const { job, send, later } = await training({ timeout: 30 });
  await send('a');
  await send('b');
  await later(31 * S);
  expect(await send('c')).toEqual({ status: 'accepted' });
  expect((await job.view()).status).toBe('SUSPENDED');
  expect(await job.call((stub) => stub.resume(admin))).toMatchObject({
    status: 'FINISHED:COMPLETED',
  });
});

test('onShortfall skip leaves the model as it was; fail ends the job', async () => {
  const skip = await training({ timeout: 30, onShortfall: 'skip' });
  await skip.send('a', 100);
  const skipped = await skip.later(31 * S);
  expect(skipped.status).toBe('FINISHED:COMPLETED');
  expect(await skip.job.model(skipped.models['global'])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);

  const fail = await training({ timeout: 30, onShortfall: 'fail' });
  expect(await fail.later(31 * S)).toMatchObject({
    status: 'FINISHED:EXECUTION_EXCEPTION',
    reason: expect.stringContaining('train: time is over with 0 of 3 answers'),
  });
});

test('a site that falls silent is given up after the assignment timeout', async () => {
  const { job, send, later } = await training(
    { assignmentTimeout: 90 },
    { sites: ['c', 'a', 'b'], take: ['a', 'b'] },
  );
  await send('a');
  const view = await later(95 * S);
  expect(view).toMatchObject({
    status: 'SUSPENDED',
    reason:
      'train: nobody is left to ask, with 1 of 3 answers (b: it fell silent, c: it did not take the task in time)',
  });
  await job.call((stub) => stub.resume(admin));
  expect((await job.task('c')).id).toBe('t1');
  expect((await job.task('b')).id).toBe('t1');
});

test('error codes are tolerated while the minimum can still be met', async () => {
  const { job, send, fail } = await training({ minResponses: 2 });
  expect(await fail('a', 'EMPTY_RESULT')).toEqual({ status: 'accepted' });
  await send('b', 3);
  expect((await job.view()).sites[0]).toMatchObject({
    state: 'failed',
    returnCode: 'EMPTY_RESULT',
  });
  await send('c', 5);
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(view.models['global'])).toEqual(Array(9).fill(4));
});

test("else EXECUTION_EXCEPTION with each site's code", async () => {
  const { job, fail } = await training({ minResponses: 2 });
  await fail('a', 'EMPTY_RESULT');
  await fail('c');
  expect(await job.view()).toMatchObject({
    status: 'FINISHED:EXECUTION_EXCEPTION',
    reason:
      'train: too many errors (2 needed, 1 possible): a: EMPTY_RESULT, c: EXECUTION_EXCEPTION',
  });
  expect(await job.poll('b')).toMatchObject({ status: 'end' });
});

test('a mandatory site is waited for, and its error ends the job', async () => {
  const { job, send, fail } = await training({ minResponses: 1 }, { mandatorySites: ['c'] });
  await send('a');
  await send('b');
  expect((await job.view()).status).toBe('RUNNING');
  await fail('c', 'BAD_TASK_DATA');
  expect(await job.view()).toMatchObject({
    status: 'FINISHED:EXECUTION_EXCEPTION',
    reason: 'train: too many errors (a mandatory site failed): c: BAD_TASK_DATA',
  });
});

test('a job starts when minSites and all mandatory sites have joined', async () => {
  const job = await newJob({ minSites: 2, mandatorySites: ['c'] }, { sites: ['a', 'b', 'c'] });
  expect((await job.view()).status).toBe('APPROVED');
  await job.poll('a');
  expect((await job.view()).status).toBe('DISPATCHED');
  await job.poll('b');
  expect((await job.view()).status).toBe('DISPATCHED');
  expect(await job.poll('c')).toMatchObject({ status: 'task' });
  expect((await job.view()).status).toBe('RUNNING');
});

test('a revoked site loses its token and its lease; what it answered stays', async () => {
  const { job, send } = await training({ minResponses: 2, waitAfterMin: 3600 });
  await send('a', 1);
  await send('b', 3);
  await job.stub.revoke('c', 2);
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(view.sites.find(({ name }) => name === 'c')).toMatchObject({ state: 'revoked' });
  for (const call of [
    () => job.poll('c'),
    () => send('c'),
    () => job.call((stub) => stub.lease(site('c'), 't1')),
  ]) {
    expect(await call().then((answer) => JSON.stringify(answer), String)).toContain('unauthorized');
  }
});

test('a revoked site whose answer all wait for leaves a shortfall that resume leaves out', async () => {
  const { job, send } = await training({});
  await send('a');
  await send('b');
  await job.stub.revoke('c', 2);
  expect(await job.view()).toMatchObject({
    status: 'SUSPENDED',
    reason: 'train: nobody is left to ask, with 2 of 3 answers (c: revoked)',
  });
  expect(await job.call((stub) => stub.resume(admin))).toMatchObject({
    status: 'FINISHED:COMPLETED',
  });
});

test('an abort reaches the device at its lease, and its poll ends', async () => {
  const { job, send } = await training({});
  expect(await job.call((stub) => stub.abort(admin))).toMatchObject({ status: 'FINISHED:ABORTED' });
  expect(await job.call((stub) => stub.lease(site('a'), 't1'))).toEqual({
    status: 'closed',
    reason: 'aborted by the admin',
  });
  expect(await job.poll('a')).toEqual({ status: 'end', reason: 'aborted by the admin' });
  expect(await send('a')).toEqual({ status: 'late' });
  expect(await job.call((stub) => stub.abort(admin))).toMatchObject({ status: 'FINISHED:ABORTED' });
  await expect(job.call((stub) => stub.resume(admin))).rejects.toThrow('conflict');
});

test('checks in order: an unknown task, one never given, then the body', async () => {
  const { job } = await training({}, { sites: ['c', 'a', 'b'], take: ['a'] });
  expect(await job.reply('a', 't9', FULL, constant(1))).toMatchObject({ reason: 'not-found' });
  expect(await job.reply('c', 't1', FULL, constant(1))).toMatchObject({ reason: 'forbidden' });
  expect(await job.reply('a', 't1', FULL, null)).toMatchObject({ code: 'NO_TENSORS' });
  expect((await job.task('a')).id).toBe('t1');
});

test("under ANY the first result fixes the round's type", async () => {
  const { job, send } = await training({});
  await send('a');
  const mixed = await job.reply('b', 't1', { params_type: 'DIFF' }, constant(1));
  expect(mixed).toMatchObject({ reason: 'invalid' });
  expect((await job.task('b')).paramsType).toBe('FULL');
  expect(await send('b')).toEqual({ status: 'accepted' });
});

test('weights are steps; a count above 1e9 is refused and changes nothing', async () => {
  const { job, send } = await training({});
  const weighed = (name: string, value: number, steps: number) =>
    job.reply(
      name,
      't1',
      { params_type: 'FULL', meta: { NUM_STEPS_CURRENT_ROUND: steps } },
      constant(value),
    );
  expect(await weighed('a', 1, 2e9)).toMatchObject({ code: 'WEIGHT_TOO_LARGE' });
  expect(await weighed('a', 1, 3)).toEqual({ status: 'accepted' });
  expect(await weighed('b', 9, -4)).toEqual({ status: 'accepted' });
  await send('c', 5);
  // (3 * 1 + 1 * 9 + 1 * 5) / 5
  expect(await job.model((await job.view()).models['global'])).toEqual(
    Array(9).fill(Math.fround(3.4)),
  );
});

test('cyclic: a lost site is skipped after its assignment timeout', async () => {
  const { job, later } = await training(
    {},
    {
      workflows: [{ id: 'relay', use: 'cyclic', args: { rounds: 1, assignmentTimeout: 10 } }],
      take: [],
    },
  );
  await job.task('a');
  await job.reply('a', 't1', FULL, constant(7));
  expect((await job.view()).task).toMatchObject({ id: 't2' });
  await later(11 * S);
  const third = await job.task('c');
  expect(third.id).toBe('t3');
  expect(await job.model(third.model)).toEqual(Array(9).fill(7));
  await job.reply('c', 't3', { params_type: 'DIFF' }, constant(1));
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(view.models['global'])).toEqual(Array(9).fill(8));
});
