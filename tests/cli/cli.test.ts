// The command against the real server, a process for each run: what a person at a terminal, or a script, sees.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { digits } from '../../client-kit/tests/digits.ts';
import { mlp } from '../../core/onnx/models/mlp.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { JobSummary, JobView } from '../../core/protocol/job-status.ts';
import type { SiteSummary } from '../../core/protocol/site.ts';
import { decode } from '../../core/tensors/safetensors.ts';
import type { CrossSiteTable } from '../../core/workflows/cross-site-eval.ts';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { digitFolder } from './digit-files.ts';
import { softmaxRegression } from './softmax-regression.ts';
import { streamless } from './streamless.ts';
import {
  type Ended,
  errorOf,
  type Running,
  startForTest,
  tributary,
  valueOf,
} from './tributary.ts';

let server: Server;
let dir: string;
let profile: string;
let enrolment: string;
beforeAll(async () => {
  [server, dir] = await Promise.all([startServer(), mkdtemp(join(tmpdir(), 'tributary-cli-'))]);
  profile = join(dir, 'config', 'profile.json');
  await Promise.all([
    digitFolder(join(dir, 'alpha'), 'npz', 0, 400),
    digitFolder(join(dir, 'beta'), 'idx', 400, 800),
    digitFolder(join(dir, 'gamma'), 'png', 800, 1100),
    digitFolder(join(dir, 'delta'), 'csv', 1100, 1500),
  ]);
  const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
  await writeFile(
    join(dir, 'net.onnx'),
    mlp({ inputs: [1, 28, 28], hidden: [16], classes: 10, rng }),
  );
  await writeFile(join(dir, 'table.onnx'), softmaxRegression(784, 10));
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Runs the command with the profile that the first test makes. */
const run = (...args: string[]): Promise<Ended> =>
  tributary([...args, '--profile', profile], { cwd: dir });

/** Like `run`, where it must succeed: what it printed. */
const text = async (...args: string[]): Promise<string> => {
  const ended = await run(...args);
  expect(ended.code, ended.stderr).toBe(0);
  return ended.stdout;
};

/** Like `text`, with --json: the value. */
const json = async <T>(...args: string[]): Promise<T> => {
  const ended = await run(...args, '--json');
  expect(ended.code, ended.stderr).toBe(0);
  return valueOf<T>(ended);
};

/** Like `json`, where it must fail with this code: the error. */
const refused = async (code: number, ...args: string[]): Promise<Record<string, unknown>> => {
  const ended = await run(...args, '--json');
  expect(ended.code, ended.stderr).toBe(code);
  return errorOf(ended);
};

const background = (...args: string[]): Running =>
  startForTest([...args, '--profile', profile], { cwd: dir });

/** A device with the folder of its name, for one job. */
const site = (name: string, job: string, ...more: string[]): Running => {
  const whose = ['--name', name, '--data', name, '--state', `state/${name}`];
  const what = ['--enrolment', enrolment, '--job', job, '--once'];
  return background('site', 'run', ...whose, ...what, ...more);
};

/** A site that finds no job at its start asks again after a while only: let `job submit --watch` come first. */
const submitted = (submitting: Running): Promise<void> =>
  expect.poll(submitting.said).toMatch(/^job \S+$/m);

/** Changes the spec that `model prepare` wrote. */
const edit = async (folder: string, changes: (spec: JobSpec) => object): Promise<string> => {
  const file = join(dir, folder, 'job.json');
  const spec = JSON.parse(await readFile(file, 'utf8')) as JobSpec;
  await writeFile(file, JSON.stringify({ ...spec, ...changes(spec) }));
  return file;
};

const prepare = async (folder: string, ...more: string[]): Promise<string> => {
  const args = ['--model', 'net.onnx', '--out', folder, '--name', folder, '--momentum', '0.9'];
  await text('model', 'prepare', ...args, '--lr', '0.05', ...more);
  return join(dir, folder, 'job.json');
};

/** Polls until the job's view is as wanted. */
const until = async (id: string, wanted: (view: JobView) => boolean): Promise<JobView> => {
  for (;;) {
    const view = await json<JobView>('job', 'show', id);
    if (wanted(view)) return view;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

test('login tries the token and keeps it for its owner only', async () => {
  expect(await refused(3, 'login', server.url, '--token', 'wrong')).toMatchObject({ status: 401 });
  expect(existsSync(profile)).toBe(false);
  const args = ['login', server.url, '--profile', profile, '--json'];
  const typed = await tributary(args, { input: `${ADMIN}\n` });
  expect(valueOf(typed)).toEqual({ server: server.url, profile });
  expect((await stat(profile)).mode & 0o777).toBe(0o600);
  const made = await json<{ token: string; uses: number }>('enrolment', 'create', '--uses', '9');
  expect(made.uses).toBe(9);
  enrolment = made.token;
});

test('a job end to end: prepare, submit, two sites, watch, show, list, download, export', async () => {
  const inspected = await json<{ trainable: boolean; elements: number }>(
    'model',
    'inspect',
    'net.onnx',
  );
  expect(inspected).toMatchObject({ trainable: true, elements: 784 * 16 + 16 + 16 * 10 + 10 });
  const args = ['--rounds', '2', '--epochs', '2', '--min-sites', '2', '--loop'];
  const spec = await prepare('digits', ...args);

  const watching = background('job', 'submit', spec, '--watch', '--json');
  await submitted(watching);
  const sites = [site('alpha', 'digits', '--json'), site('beta', 'digits')];
  const ended = await watching.ended;
  expect(ended.code, ended.stderr).toBe(0);
  const view = valueOf<JobView>(ended);
  expect(view).toMatchObject({ name: 'digits', status: 'FINISHED:COMPLETED' });
  expect(ended.stderr).toMatch(/^uploaded .*model\.safetensors/m);
  for (const line of [/^train round 2\/2$/m, /^train round 1 train: beta OK loss [\d.]+ \(40\)/m]) {
    expect(ended.stderr).toMatch(line);
  }
  const [alpha, beta] = await Promise.all(sites.map((each) => each.ended));
  expect(valueOf(alpha as Ended)).toEqual({ site: 'alpha', jobs: 1 });
  expect(beta).toMatchObject({ code: 0, stdout: '1 job(s) served\n' });
  expect(beta?.stderr).toContain('400 examples [1, 28, 28] from idx');
  expect(beta?.stderr).toMatch(/train round 2\/2 train\n.*\n.*\n {2}24 steps, loss [\d.]+/);

  // The sites may have been seen since.
  expect(await json('job', 'show', view.id)).toEqual({ ...view, sites: expect.any(Array) });
  const { jobs } = await json<{ jobs: JobSummary[] }>('job', 'list');
  expect(jobs).toMatchObject([{ id: view.id, name: 'digits', status: 'FINISHED:COMPLETED' }]);
  const listed = await json<{ sites: SiteSummary[] }>('site', 'list');
  expect(listed.sites.map(({ name, status }) => [name, status])).toEqual([
    ['alpha', 'active'],
    ['beta', 'active'],
  ]);
  for (const [args, wanted] of [
    [['job', 'show', view.id], /^global +\d\S+ KiB +sha256-/m],
    [['job', 'list'], new RegExp(`^${view.id} +digits +FINISHED:COMPLETED +\\d{4}-`, 'm')],
    [['site', 'list'], /^beta +active /m],
    [['job', 'watch', view.id], /^FINISHED:COMPLETED /],
  ] as const) {
    expect(await text(...args)).toMatch(wanted);
  }

  const global = await json<{ file: string; digest: string }>('job', 'download', view.id);
  expect(global.file).toBe(`${view.id}-global.safetensors`);
  expect(global.digest).toBe(view.models['global']?.digest);
  const bytes = new Uint8Array(await readFile(join(dir, global.file)));
  expect(`sha256-${createHash('sha256').update(bytes).digest('hex')}`).toBe(global.digest);
  const decoded = decode(bytes);
  expect(decoded.ok && [...decoded.value.tensors.keys()].length).toBe(4);
  const own = await json<{ digest: string }>('job', 'download', view.id, 'beta', '-o', 'own.bin');
  expect(own.digest).not.toBe(global.digest);

  await text('model', 'export', 'digits/predict.onnx', global.file, '-o', 'trained.onnx');
  const accuracy = await accuracyOf(join(dir, 'trained.onnx'));
  expect(accuracy).toBeGreaterThan(0.7);
  // What the sites measured on their own is of the same model.
  const table = view.results['cross-site'] as CrossSiteTable;
  const cell = table['alpha']?.['global'];
  if (!cell || !('metrics' in cell)) throw new Error(JSON.stringify(table));
  expect(Math.abs((cell.metrics['accuracy'] ?? 0) - accuracy)).toBeLessThan(0.2);
});

/** Of an ordinary ONNX file on 500 test digits, in ONNX Runtime with nothing of ours. */
const accuracyOf = async (file: string): Promise<number> => {
  const session = await ort.InferenceSession.create(new Uint8Array(await readFile(file)));
  const { x, y } = digits('t10k', 0, 500);
  const input = new ort.Tensor('uint8', x.data as Uint8Array, x.shape);
  const { logits } = await session.run({ x: input });
  await session.release();
  const scores = logits?.data as Float32Array;
  const right = y.filter((label, i) => {
    const row = scores.subarray(i * 10, (i + 1) * 10);
    return row.indexOf(Math.max(...row)) === label;
  });
  return right.length / y.length;
};

test('a clone runs again, with other sites; watch goes on without an event stream', async () => {
  const { jobs } = await json<{ jobs: JobSummary[] }>('job', 'list');
  const first = jobs[0]?.id ?? '';
  const { id } = await json<JobSummary>('job', 'clone', first);
  const proxy = await streamless(server.url);
  onTestFinished(proxy.close);
  const watching = background('job', 'watch', id, '--server', proxy.url);
  await expect
    .poll(watching.said)
    .toContain('no event stream (404 NO_STREAM: streams do not pass here)');
  const sites = [site('beta', 'digits'), site('gamma', 'digits')];
  const { code, stdout, stderr } = await watching.ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^FINISHED:COMPLETED .*\n$/);
  expect(stderr).toMatch(/^RUNNING {2}train \(1 of 2\) {2}round 2\/2 {2}train [01]\/2/m);
  expect(proxy.asked.filter((path) => path.endsWith('/events'))).toHaveLength(1);
  expect(proxy.asked.some((path) => /\?since=\d+&wait=25$/.test(path))).toBe(true);
  const [, gamma] = await Promise.all(sites.map((each) => each.ended));
  expect(gamma?.stderr).toContain('300 examples [1, 28, 28] from image folder');
  expect(await json('job', 'show', id)).toMatchObject({ clonedFrom: first });
});

test('a table of numbers trains a model for tables', async () => {
  const args = ['--model', 'table.onnx', '--out', 'table', '--rounds', '1', '--lr', '0.1'];
  const { spec } = await json<{ spec: JobSpec }>('model', 'prepare', ...args);
  expect(spec.data?.x).toEqual({ dtype: 'F32', shape: [784] });
  const { id } = await json<JobSummary>('job', 'submit', 'table/job.json');
  const delta = site('delta', 'table', '--label', 'digit');
  expect(await delta.ended).toMatchObject({ code: 0 });
  const view = await json<JobView>('job', 'watch', id);
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(view.metrics['accuracy']).toBeGreaterThan(0.5);
});

test('data that are not what the job asks for end it; the exit code says that it failed', async () => {
  const spec = await prepare('unfit', '--rounds', '1');
  const watching = background('job', 'submit', spec, '--watch', '--json');
  await submitted(watching);
  const delta = site('delta', 'unfit');
  const ended = await watching.ended;
  expect(ended.code, ended.stderr).toBe(5);
  const view = valueOf<JobView>(ended);
  expect(view.status).toBe('FINISHED:EXECUTION_EXCEPTION');
  expect(view.reason).toContain('delta: BAD_TASK_DATA');
  expect((await delta.ended).stderr).toContain(
    'x.dtype: expected U8 (Uint8Array), got Float32Array',
  );
});

test('a job short of answers is suspended; resume goes on once the missing site is there', async () => {
  await prepare('short', '--rounds', '1');
  const args = { rounds: 1, minResponses: 2, timeout: 3 };
  const spec = await edit('short', ({ workflows: [train] }) => ({
    workflows: [{ ...train, args }],
  }));
  const { id } = await json<JobSummary>('job', 'submit', spec);
  const alpha = site('alpha', 'short');
  const suspended = await until(id, ({ status }) => status === 'SUSPENDED');
  expect(suspended.reason).toBe('train: time is over with 1 of 2 answers');
  const beta = site('beta', 'short');
  await expect.poll(beta.said).toMatch(/^job /m);
  // On a machine that is busy the time may be over again: then it is resumed again, as a person would.
  for (let status = 'SUSPENDED'; status === 'SUSPENDED';) {
    expect((await json<JobView>('job', 'resume', id)).status).toBe('RUNNING');
    ({ status } = await until(id, (view) => view.status !== 'RUNNING'));
  }
  expect(await json('job', 'watch', id)).toMatchObject({ status: 'FINISHED:COMPLETED' });
  for (const { ended } of [alpha, beta]) expect(await ended).toMatchObject({ code: 0 });
});

test('abort reaches the site; what is over cannot be aborted, resumed or found again', async () => {
  const spec = await prepare('endless', '--rounds', '1000', '--epochs', '1000');
  const { id } = await json<JobSummary>('job', 'submit', spec);
  const alpha = site('alpha', 'endless');
  await expect.poll(alpha.said).toContain('train round 1/1000 train');
  const watching = background('job', 'watch', id, '--json');
  const impatient = await refused(9, 'job', 'watch', id, '--timeout', '0.2');
  expect(impatient).toMatchObject({ code: 'TIMEOUT' });
  expect(await json('job', 'abort', id)).toMatchObject({ status: 'FINISHED:ABORTED' });
  const ended = await watching.ended;
  expect(ended.code, ended.stderr).toBe(5);
  expect(valueOf(ended)).toMatchObject({ id, status: 'FINISHED:ABORTED' });
  expect(await alpha.ended).toMatchObject({ code: 0 });

  expect(await refused(7, 'job', 'resume', id)).toMatchObject({ status: 409 });
  expect(await json('job', 'delete', id)).toEqual({ id, deleted: true });
  expect(await refused(4, 'job', 'show', id)).toMatchObject({ status: 404 });
  expect(await refused(4, 'job', 'watch', id)).toMatchObject({ status: 404 });
  expect(await refused(4, 'job', 'download', id)).toMatchObject({ status: 404 });
});

test('a revoked site is told so, and its name may be enrolled again', async () => {
  expect(await json('site', 'revoke', 'beta')).toMatchObject({ site: 'beta' });
  const { sites } = await json<{ sites: SiteSummary[] }>('site', 'list');
  expect(sites.find(({ name }) => name === 'beta')?.status).toBe('revoked');
  const beta = site('beta', 'none', '--json');
  const ended = await beta.ended;
  expect(ended.code, ended.stderr).toBe(3);
  expect(errorOf(ended)).toMatchObject({ status: 401 });
  const anew = await json<{ token: string }>('enrolment', 'create');
  const again = site('beta', 'none', '--enrolment', anew.token);
  await expect.poll(again.said).toContain('site beta is waiting for jobs');
  again.stop();
  expect(await again.ended).toMatchObject({ code: 0, stdout: '0 job(s) served\n' });
  expect(await refused(4, 'site', 'revoke', 'nobody')).toMatchObject({ status: 404 });
});

test('a spec that the server refuses: each field is named', async () => {
  await prepare('refused');
  const spec = await edit('refused', ({ workflows: [train] }) => ({
    workflows: [{ ...train, args: { rounds: -1 } }],
  }));
  const { code, stderr } = await run('job', 'submit', spec);
  expect(code).toBe(7);
  expect(stderr).toMatch(/workflows\[0\]\.args\.rounds: expected .*, got -1/);
  expect(await refused(7, 'job', 'submit', spec)).toMatchObject({
    status: 422,
    errors: [{ path: 'workflows[0].args.rounds' }],
  });
});

test.each<[what: string, code: number, args: string[]]>([
  ['an unknown command', 2, ['job', 'destroy']],
  ['a missing argument', 2, ['job', 'show']],
  ['a token that is none', 3, ['job', 'list', '--token', 'nobody']],
  [
    'an enrolment that is none',
    3,
    ['site', 'run', '--name', 'x', '--data', 'alpha', '--state', 'x', '--enrolment', 'tenrol_x'],
  ],
  ['an unknown job', 4, ['job', 'show', 'nothing']],
  ['a spec that is not there', 4, ['job', 'submit', 'nothing.json']],
  ['nobody at the address', 6, ['job', 'list', '--server', 'http://127.0.0.1:9']],
  ['a folder without data', 8, ['site', 'run', '--name', 'x', '--data', 'nothing']],
  ['a model that is none', 8, ['model', 'inspect', 'alpha/digits.npz']],
])('%s is exit code %i', async (_, code, args) => {
  expect(Object.keys(await refused(code, ...args))).toContain('detail');
});

test('Ctrl-C ends a watcher with 130, and says nothing more', async () => {
  const spec = await prepare('waiting');
  const watching = background('job', 'submit', spec, '--watch', '--json');
  await expect.poll(watching.said).toMatch(/^APPROVED/m);
  watching.stop('SIGINT');
  expect(await watching.ended).toMatchObject({ code: 130, stdout: '' });
});
