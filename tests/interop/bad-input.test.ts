import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN } from '../../scripts/bare-server.ts';
import { ANSWER, BAD_FILES, BAD_UPDATES } from './bad-results.ts';
import { floats, vectors } from './raw-file.ts';
import { expectProblem, MODEL, resultOf, Rig } from './rig.ts';
import type { SiteOf } from './rig.ts';

// A stranger sends everything wrong that can be sent wrong to a task: each is refused with a clear problem, and nothing
// has changed: the same task can still be answered, and the job ends with the right bytes.

let rig: Rig;
let site: SiteOf;
let other: SiteOf;

beforeAll(async () => {
  rig = await Rig.start();
  [site, other] = await Promise.all([rig.enrol(), rig.enrol()]);
});
afterAll(() => rig.stop());

/** The job goes on as if nothing had been: the assignment is open, the right answer is taken, the bytes are right. */
async function unharmed(job: string, task: { id: string }, version: number): Promise<void> {
  const view = await rig.view(job);
  expect(view).toMatchObject({ status: 'RUNNING', version, task: { received: 0 } });
  const again = await rig.take(job, site);
  expect(again.id).toBe(task.id);
  const answer = await rig.send(again, site, resultOf(ANSWER));
  expect(answer.json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  expect((await rig.model(job)).subarray(-24)).toEqual(floats([1, 2, 3, 4, 5, 6]));
}

describe.each([
  ['a body that is no file', BAD_FILES],
  ['a file that is no answer', BAD_UPDATES],
] as const)('%s', (_, cases) => {
  test.each(cases.map((bad) => [bad.what, bad] as const))('%s', async (_what, bad) => {
    const { job, tasks } = await rig.openTask([site]);
    const task = tasks[0]!;
    const { version } = await rig.view(job);
    expectProblem(await rig.send(task, site, bad.body(), bad.headers), bad.problem);
    await unharmed(job, task, version);
  });
});

test('NaN is named with its tensor and index', async () => {
  const { tasks } = await rig.openTask([site]);
  const { json } = await rig.send(
    tasks[0]!,
    site,
    resultOf({ w: [1, 2, Number.NaN, 4], b: [5, 6] }),
  );
  expect(json).toMatchObject({
    code: 'NON_FINITE',
    errors: [{ path: 'w', got: expect.stringMatching(/\b2\b/) }],
  });
});

test('FULL and DIFF mixed in one round', async () => {
  const sites = [site, other];
  const { job, tasks } = await rig.openTask(sites);
  expect((await rig.send(tasks[0]!, site, resultOf(ANSWER))).json).toEqual({ status: 'accepted' });
  const diff = resultOf({ w: [1, 1, 1, 1], b: [1, 1] }, { params_type: 'DIFF' });
  expectProblem(await rig.send(tasks[1]!, other, diff), {
    status: 422,
    // Which check finds it depends on how the two cross.
    code: /^(WRONG|MIXED)_PARAMS_TYPE$/,
    path: 'params_type',
  });
  expect((await rig.send(tasks[1]!, other, resultOf(ANSWER))).json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
});

test('DIFF where the workflow wants FULL', async () => {
  const { job, tasks } = await rig.openTask([site], { args: { paramsType: 'FULL' } });
  const { version } = await rig.view(job);
  expectProblem(await rig.send(tasks[0]!, site, resultOf(ANSWER, { params_type: 'DIFF' })), {
    status: 422,
    code: 'WRONG_PARAMS_TYPE',
    path: 'params_type',
  });
  await unharmed(job, tasks[0]!, version);
});

test('missing tensors are fine where the workflow says partial', async () => {
  const { job, tasks } = await rig.openTask([site], { args: { partial: true } });
  expect((await rig.send(tasks[0]!, site, resultOf({ w: [9, 9, 9, 9] }))).json).toEqual({
    status: 'accepted',
  });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  expect((await rig.model(job)).subarray(-24)).toEqual(floats([9, 9, 9, 9, 0.5, -0.5]));
});

test('tensors called __proto__, constructor and 1 are tensors like others', async () => {
  const model = { ['__proto__']: [1, 2], constructor: [3], 1: [4] };
  const { job, tasks } = await rig.openTask([site], { model });
  const file = vectors(model);
  const { bytes } = await rig.call('GET', tasks[0]!.model.url, { token: site.token });
  expect(bytes).toEqual(file);
  const answer = await rig.send(
    tasks[0]!,
    site,
    resultOf({ ['__proto__']: [5, 6], constructor: [7], 1: [8] }),
  );
  expect(answer.json).toEqual({ status: 'accepted' });
  expect((await rig.settled(job)).status).toBe('FINISHED:COMPLETED');
  const made = new TextDecoder().decode(await rig.model(job));
  for (const name of ['"__proto__"', '"constructor"', '"1"']) expect(made).toContain(name);
});

test('a result for a task of somebody else, of no job, of no name', async () => {
  const { job, tasks } = await rig.openTask([site]);
  const task = tasks[0]!;
  const { version } = await rig.view(job);
  const body = resultOf(ANSWER);
  const stranger = await rig.enrol();
  expectProblem(await rig.send(task, stranger, body), { status: 403, code: 'FORBIDDEN' });
  expectProblem(
    await rig.send({ ...task, resultUrl: `/v1/jobs/${job}/tasks/nothing/result` }, site, body),
    {
      status: 404,
      code: 'NOT_FOUND',
    },
  );
  expectProblem(
    await rig.send({ ...task, resultUrl: `/v1/jobs/nothing/tasks/${task.id}/result` }, site, body),
    {
      status: 404,
      code: 'NOT_FOUND',
    },
  );
  const admin = { name: 'admin', token: ADMIN };
  expectProblem(await rig.send(task, admin, body), { status: 403, code: 'FORBIDDEN' });
  const nobody = { name: 'nobody', token: 'nonsense' };
  expectProblem(await rig.send(task, nobody, body), { status: 401, code: 'UNAUTHORIZED' });
  await unharmed(job, task, version);
});

test('a refused error code leaves the round to the others; a good one is an answer', async () => {
  const { job, tasks } = await rig.openTask([site, other], {
    args: { minResponses: 2, onShortfall: 'fail' },
  });
  const failed = await rig.call('POST', tasks[0]!.resultUrl, {
    token: site.token,
    json: { return_code: 'EXECUTION_EXCEPTION' },
  });
  expect(failed.json).toEqual({ status: 'accepted' });
  const view = await rig.settled(job);
  expect(view.status).toBe('FINISHED:EXECUTION_EXCEPTION');
  expect(view.reason).toContain(`${site.name}: EXECUTION_EXCEPTION`);
  expect((await rig.send(tasks[1]!, other, resultOf(ANSWER))).json).toEqual({ status: 'late' });
});

test('two jobs at once on one site do not meet', async () => {
  const [one, two] = await Promise.all([rig.openTask([site]), rig.openTask([site])]);
  const answers = { w: [0, 0, 0, 0], b: [2, 2] };
  await rig.send(two.tasks[0]!, site, resultOf(answers));
  expect((await rig.settled(two.job)).status).toBe('FINISHED:COMPLETED');
  const { version } = await rig.view(one.job);
  await unharmed(one.job, one.tasks[0]!, version);
  expect((await rig.model(two.job)).subarray(-24)).toEqual(floats([0, 0, 0, 0, 2, 2]));
});

test('a blob whose bytes are not what its name says', async () => {
  const bytes = vectors({ ...MODEL, extra: [Math.random()] });
  const name = `sha256-${'0'.repeat(64)}`;
  expectProblem(await rig.admin('PUT', `/v1/blobs/${name}`, { body: bytes }), {
    status: 422,
    code: 'DIGEST_MISMATCH',
  });
  expectProblem(await rig.admin('GET', `/v1/blobs/${name}`), { status: 404 });
  expectProblem(await rig.admin('PUT', '/v1/blobs/sha256-short', { body: bytes }), {
    status: 422,
    path: 'digest',
  });
});
