import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN } from '../../scripts/bare-server.ts';
import { digestOf, floats, vectors } from './raw-file.ts';
import { expectProblem, resultOf, Rig } from './rig.ts';
import type { SiteOf } from './rig.ts';
import { SlowUpload } from './slow-upload.ts';

// What happens to a task while its result is on its way.

let rig: Rig;
let site: SiteOf;
let other: SiteOf;

beforeAll(async () => {
  rig = await Rig.start();
  [site, other] = await Promise.all([rig.enrol(), rig.enrol()]);
});
afterAll(() => rig.stop());

/** 3 MB: several rows, so that half of it is staged while it waits. */
const LENGTH = 800_000;
const filled = (value: number): { w: number[] } => ({
  w: Array.from({ length: LENGTH }, () => value),
});
const model = filled(0);
const big = (value: number): Uint8Array<ArrayBuffer> => resultOf(filled(value));

/** The job's model has this value everywhere. */
const expectModel = async (job: string, value: number): Promise<void> => {
  const data = (await rig.model(job)).subarray(-LENGTH * 4);
  expect(digestOf(data)).toBe(digestOf(floats(filled(value).w)));
};

const begin = async (sites: readonly SiteOf[], args: Record<string, unknown> = {}) => {
  const { job, tasks } = await rig.openTask(sites, { model, args });
  const url = rig.url + tasks[0]!.resultUrl;
  return { job, tasks, upload: await SlowUpload.begin(url, sites[0]!.token, big(1)) };
};

test('two different bodies for one (task, site) at once: one is accepted, and only its bytes count', async () => {
  for (let i = 0; i < 4; i++) {
    const { job, tasks } = await rig.openTask([site], { model });
    const values = [3, 4, 5, 6];
    const answers = await Promise.all(values.map((value) => rig.send(tasks[0]!, site, big(value))));
    const said = answers.map(({ status, json }) => `${status} ${json.status}`);
    expect(said.toSorted()).toEqual([
      '200 accepted',
      ...values.slice(1).map(() => '200 duplicate'),
    ]);
    const winner = values[said.indexOf('200 accepted')]!;
    expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
    await expectModel(job, winner);
    const late = await rig.send(tasks[0]!, site, big(9));
    expect(late.json, 'the committed reply outlives the task').toEqual({ status: 'duplicate' });
  }
});

test('a body of another content is a duplicate, even a bad one', async () => {
  const { tasks } = await rig.openTask([site]);
  await rig.send(tasks[0]!, site, resultOf({ w: [1, 1, 1, 1], b: [1, 1] }));
  const { status, json } = await rig.send(tasks[0]!, site, new Uint8Array([1, 2, 3]));
  expect([status, json]).toEqual([200, { status: 'duplicate' }]);
});

test('a connection cut in the middle changes nothing', async () => {
  const { job, tasks, upload } = await begin([site]);
  upload.cut();
  expect(await rig.view(job)).toMatchObject({ status: 'RUNNING', task: { received: 0 } });
  expect((await rig.send(tasks[0]!, site, big(2))).json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  await expectModel(job, 2);
});

test('abort in mid-upload: the result is late, the job is aborted, the site is told', async () => {
  const { job, tasks, upload } = await begin([site]);
  expect((await rig.admin('POST', `/v1/jobs/${job}/abort`)).status).toBe(200);
  expect(await upload.finish()).toEqual({ status: 200, json: { status: 'late' } });
  expect((await rig.view(job)).status).toBe('FINISHED:ABORTED');
  const lease = await rig.call('POST', tasks[0]!.lease.url, { token: site.token });
  expect(lease.json).toMatchObject({ status: 'closed' });
  const poll = await rig.call('GET', `/v1/jobs/${job}/task`, { token: site.token });
  expect(poll.json).toMatchObject({ status: 'end' });
});

test('resume in mid-upload of a running job is refused or does nothing: the result counts', async () => {
  const { job, upload } = await begin([site]);
  const { status } = await rig.admin('POST', `/v1/jobs/${job}/resume`);
  expect([200, 409]).toContain(status);
  expect(await upload.finish()).toEqual({ status: 200, json: { status: 'accepted' } });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
});

test('a suspended job keeps what it has, and goes on with it when resumed', async () => {
  const { job, tasks, upload } = await begin([site, other], { timeout: 1 });
  const suspended = await rig.settled(job);
  expect(suspended.status).toBe('SUSPENDED');
  expect(suspended.reason).toMatch(/./);
  const poll = await rig.call('GET', `/v1/jobs/${job}/task`, { token: other.token });
  expect(poll.json).toMatchObject({ status: 'try-again' });
  expect((await rig.admin('POST', `/v1/jobs/${job}/resume`)).status).toBe(200);
  expect(await upload.finish()).toEqual({ status: 200, json: { status: 'accepted' } });
  const again = await rig.take(job, other);
  expect(again.id).toBe(tasks[1]!.id);
  expect((await rig.send(again, other, big(3))).json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  await expectModel(job, 2);
});

test('DELETE in mid-upload: the job is gone, and so is the result', async () => {
  const { job, upload } = await begin([site]);
  expect((await rig.admin('DELETE', `/v1/jobs/${job}`)).status).toBe(204);
  const { status } = await upload.finish();
  expect(status).toBe(404);
  expectProblem(await rig.admin('GET', `/v1/jobs/${job}`), { status: 404, code: 'NOT_FOUND' });
  expectProblem(await rig.call('GET', `/v1/jobs/${job}/task`, { token: site.token }), {
    status: 404,
  });
  expectProblem(await rig.admin('DELETE', `/v1/jobs/${job}`), { status: 404 });
});

test('a task that closes in mid-upload: the result is late and not in the model', async () => {
  const { job, tasks, upload } = await begin([site, other], {
    minResponses: 1,
    waitAfterMin: 0,
    timeout: 0,
  });
  expect((await rig.send(tasks[1]!, other, big(7))).json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  expect(await upload.finish()).toEqual({ status: 200, json: { status: 'late' } });
  await expectModel(job, 7);
});

test('a site revoked in the middle of a task gets 401 everywhere, and its task is free again', async () => {
  const gone = await rig.enrol();
  const { job, upload, tasks } = await begin([gone, other], { minResponses: 1 });
  // It also waits for work in a job that another site has yet to join.
  const idle = await rig.submit(await rig.spec([gone, other]));
  const waiting = rig.call('GET', `/v1/jobs/${idle}/task?wait=25`, { token: gone.token });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { status, json } = await rig.admin('DELETE', `/v1/sites/${gone.name}`);
  expect([200, 202]).toContain(status);
  expect(json).toMatchObject({ site: gone.name });
  // Had it waited for its 25 seconds, it would have been told to try again.
  expectProblem(await waiting, { status: 401, code: 'UNAUTHORIZED' });
  expect((await upload.finish()).status).toBe(401);
  for (const [method, path] of [
    ['GET', '/v1/inbox'],
    ['GET', `/v1/jobs/${job}/task`],
    ['GET', `/v1/jobs/${job}`],
    ['GET', tasks[0]!.model.url],
    ['POST', tasks[0]!.lease.url],
  ] as const) {
    expectProblem(await rig.call(method, path, { token: gone.token }), {
      status: 401,
      code: 'UNAUTHORIZED',
    });
  }
  expectProblem(await rig.send(tasks[0]!, gone, big(1)), { status: 401 });
  expect((await rig.send(tasks[1]!, other, big(5))).json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  const back = await rig.enrol(gone.name);
  expect(back.token).not.toBe(gone.token);
  expectProblem(await rig.call('GET', '/v1/inbox', { token: gone.token }), { status: 401 });
  expect((await rig.call('GET', '/v1/inbox', { token: back.token })).status).toBe(200);
});

test('a blob upload cut in the middle leaves no blob', async () => {
  const bytes = vectors({ w: [...filled(Math.random()).w] });
  const url = `${rig.url}/v1/blobs/${digestOf(bytes)}`;
  const upload = await SlowUpload.begin(url, ADMIN, bytes, 'PUT');
  upload.cut();
  expectProblem(await rig.admin('GET', `/v1/blobs/${digestOf(bytes)}`), { status: 404 });
  expect((await rig.admin('PUT', `/v1/blobs/${digestOf(bytes)}`, { body: bytes })).status).toBe(
    201,
  );
});
