import { afterEach, expect, test, vi } from 'vitest';
import { admin, constant, enrol, newJob } from '../../tests/workerd/job-fixture.ts';
import type { TestJob } from '../../tests/workerd/job-fixture.ts';
import { FULL, training } from '../../tests/workerd/training.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const resume = (job: TestJob) => job.call((stub) => stub.resume(admin));

test('a round that found nobody to ask is begun anew by resume: with who has joined since', async () => {
  const args = { rounds: 1, selection: 'none', clients: ['ward-*'] };
  const workflows = [{ id: 'train', use: 'fed-avg', args }];
  const job = await newJob({ workflows, minSites: 1 }, { sites: ['lab', 'ward-1'] });
  await job.poll('lab');
  const nobody = { status: 'SUSPENDED', reason: 'train: no site to ask' };
  expect(await job.view()).toMatchObject(nobody);
  expect(await resume(job)).toMatchObject(nobody);
  await job.poll('ward-1');
  expect(await resume(job)).toMatchObject({ status: 'RUNNING', reason: null, round: 0 });
  expect(await job.poll('lab')).toMatchObject({ status: 'try-again' });
  const { id } = await job.task('ward-1');
  expect(await job.reply('ward-1', id, FULL, constant(5))).toEqual({ status: 'accepted' });
  const done = await job.view();
  expect(done.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(done.models['global'])).toEqual(Array(9).fill(5));
});

test('so is one whose sites were all revoked before they answered', async () => {
  const { job, send } = await training({}, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.stub.revoke(name, 2);
  expect((await job.view()).status).toBe('SUSPENDED');
  await enrol('c');
  await job.poll('c');
  expect(await resume(job)).toMatchObject({ status: 'RUNNING', reason: null });
  expect((await job.task('c')).id).not.toBe('t1');
  expect(await send('c')).toMatchObject({ reason: 'forbidden' });
});

test('one that an answer has come for goes on as it was', async () => {
  const { job, send } = await training({}, { sites: ['a', 'b'] });
  await send('a', 3);
  for (const name of ['a', 'b']) await job.stub.revoke(name, 2);
  const done = await resume(job);
  expect(done.status).toBe('FINISHED:COMPLETED');
  expect(await job.model(done.models['global'])).toEqual(Array(9).fill(3));
});
