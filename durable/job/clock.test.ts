import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { site } from '../../tests/workerd/job-fixture.ts';
import { clock, pass, S, states, training } from '../../tests/workerd/training.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('a clock that goes back neither extends nor loses a lease', async () => {
  const { job, later } = await training({});
  pass(-3600 * S);
  expect(await states(job)).toEqual({ a: 'working', b: 'working', c: 'working' });
  const leases = await job.inside((_, sql) =>
    sql.exec<{ lease: number }>('SELECT DISTINCT lease FROM assignments').toArray(),
  );
  expect(leases).toEqual([{ lease: clock.now + LIMITS.leaseS * S }]);
  await later(61 * S);
  expect(await states(job)).toEqual({ a: 'lost', b: 'lost', c: 'lost' });
});

test('a clock that jumps ahead, or a server that was away, costs nobody a lease', async () => {
  const { job } = await training(
    { assignmentTimeout: 60 },
    { sites: ['c', 'a', 'b'], take: ['a', 'b'] },
  );
  pass(3600 * S);
  await job.alarm();
  expect(await job.view()).toMatchObject({ status: 'RUNNING' });
  expect(await states(job)).toMatchObject({ a: 'working', b: 'working' });
});

test('a server that was away as a lease ran out costs nobody the lease; one that is silent still is lost', async () => {
  const { job, send, later } = await training(
    { assignmentTimeout: 30 },
    { sites: ['c', 'a', 'b'], take: ['a', 'b'] },
  );
  await job.task('c');
  await later(5 * S);
  // Down from now until 2 s after the leases ended: the alarm is hardly late.
  pass(57 * S);
  await job.evict();
  await job.alarm();
  expect(await states(job)).toEqual({ a: 'working', b: 'working', c: 'working' });
  await job.call((stub) => stub.lease(site('a'), 't1'));
  await send('b');
  // c doesn't come back. That the object falls asleep and is woken by its alarm gives it no third lease.
  pass(40 * S);
  await job.evict();
  await job.view();
  pass(21 * S);
  await job.evict();
  await job.alarm();
  expect(await states(job)).toEqual({ a: 'working', b: 'replied', c: 'lost' });
});

test('a server that was away as the time to take a task ran out gives that time again, once', async () => {
  const { job, later } = await training(
    { assignmentTimeout: 60, onShortfall: 'suspend' },
    { sites: ['b', 'a'], take: ['a'] },
  );
  await later(5 * S);
  // Woken 2 s after b should have taken the task.
  pass(57 * S);
  await job.evict();
  await job.alarm();
  expect(await states(job)).toEqual({ a: 'working', b: 'joined' });
  pass(30 * S);
  await job.evict();
  await job.call((stub) => stub.lease(site('a'), 't1'));
  pass(31 * S);
  await job.evict();
  await job.alarm();
  expect(await states(job)).toEqual({ a: 'working', b: 'lost' });
});

test('a clock that goes back while nobody works moves the deadline, the alarm and the mail with it', async () => {
  const { job } = await training({ timeout: 600 }, { sites: ['a', 'b'], take: [] });
  await job.inside((_, sql) =>
    sql.exec('UPDATE outbox SET due = ?', clock.now + 300 * S).toArray(),
  );
  // Nobody has the task: b's first poll gave it none of its own.
  await job.inside((_, sql) =>
    sql.exec(`UPDATE assignments SET state = 'waiting', lease = NULL`).toArray(),
  );
  pass(-24 * 3600 * S);
  expect((await job.view()).task?.deadline).toBe(clock.now + 600 * S);
  const due = await job.inside((_, sql) => ({
    alarm: sql.exec<{ due: number }>('SELECT due FROM alarm').one().due,
    mail: sql.exec<{ due: number | null }>('SELECT max(due) AS due FROM outbox').one().due ?? 0,
  }));
  expect(due.alarm).toBeLessThanOrEqual(clock.now + 600 * S);
  expect(due.mail).toBeLessThanOrEqual(clock.now + 300 * S);
});
