import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { vectors } from './raw-file.ts';
import { expectProblem, Rig } from './rig.ts';
import type { ProblemShape, SiteOf } from './rig.ts';

// What is wrong with a job is said at submission, with the path of the field; nothing is made of it.

type Spec = Readonly<Record<string, unknown>>;

let rig: Rig;
let site: SiteOf;
let good: Spec;

beforeAll(async () => {
  rig = await Rig.start();
  site = await rig.enrol();
  good = await rig.spec([site]);
});
afterAll(() => rig.stop());

const count = async (): Promise<number> =>
  (await rig.admin<{ jobs: unknown[] }>('GET', '/v1/jobs?limit=1000')).json.jobs.length;

const fedAvg = (args: Spec): Spec => ({ workflows: [{ id: 'train', use: 'fed-avg', args }] });
const filter = (changes: Spec): Spec => ({
  filters: [
    { tasks: ['train'], on: 'result', at: 'site', use: 'clip', args: { norm: 1 }, ...changes },
  ],
});

/** A manifest that fits `w` (4) and `b` (2), or what is left of it. */
const manifest = (parameters: readonly Spec[]): Spec => ({
  version: 1,
  kind: 'train',
  parameters,
  state: [],
  inputs: {
    x: { input: 'x', dtype: 'F32', shape: ['batch', 4] },
    y: { input: 'y', dtype: 'I64', shape: ['batch'] },
    lr: { input: 'lr', dtype: 'F32', shape: [] },
  },
  metrics: [{ name: 'loss', output: 'loss', kind: 'sum' }],
});
const parameter = (name: string, shape: readonly number[], dtype = 'F32'): Spec => ({
  name,
  dtype,
  shape,
  role: 'trainable',
  input: name,
  output: `${name}.new`,
});
const program = (...parameters: Spec[]): Spec => ({
  programs: { train: { blob: good['model'], manifest: manifest(parameters) } },
});

const spec = (path: string | RegExp): ProblemShape => ({ status: 422, code: 'INVALID_SPEC', path });

const CASES: readonly (readonly [what: string, change: () => Spec, problem: ProblemShape])[] = [
  [
    'an unknown workflow',
    () => ({ workflows: [{ id: 'x', use: 'fed-magic' }] }),
    spec('workflows[0].use'),
  ],
  [
    'a workflow called __proto__',
    () => ({ workflows: [{ id: 'x', use: '__proto__' }] }),
    spec('workflows[0].use'),
  ],
  [
    'a workflow called constructor',
    () => ({ workflows: [{ id: 'x', use: 'constructor' }] }),
    spec('workflows[0].use'),
  ],
  [
    'an unknown aggregator',
    () => fedAvg({ rounds: 1, aggregator: 'mode' }),
    spec('workflows[0].args.aggregator'),
  ],
  ['an unknown filter', () => filter({ use: 'blur' }), spec('filters[0].use')],
  ['a filter with bad args', () => filter({ args: { norm: -1 } }), spec('filters[0].args.norm')],
  ['a filter of differences on whole models', () => filter({}), spec('filters[0].use')],
  [
    'an unknown executor',
    () => ({ executors: [{ tasks: ['*'], use: 'magic' }] }),
    spec('executors[0].use'),
  ],
  [
    'no executor for a task',
    () => ({ executors: [{ tasks: ['validate'], use: 'app' }] }),
    spec('executors'),
  ],
  [
    'bad args of an executor',
    () => ({ executors: [{ tasks: ['*'], use: 'onnx', args: { lr: -1 } }] }),
    spec('executors[0].args.lr'),
  ],
  ['negative rounds', () => fedAvg({ rounds: -3 }), spec('workflows[0].args.rounds')],
  ['no rounds', () => fedAvg({}), spec('workflows[0].args.rounds')],
  ['rounds that are a text', () => fedAvg({ rounds: '3' }), spec('workflows[0].args.rounds')],
  ['half a round', () => fedAvg({ rounds: 1.5 }), spec('workflows[0].args.rounds')],
  ['an unknown arg', () => fedAvg({ rounds: 1, round: 2 }), spec('workflows[0].args.round')],
  ['an unknown field', () => ({ colour: 'red' }), spec('colour')],
  ['no name', () => ({ name: undefined }), spec('name')],
  ['a name with control characters', () => ({ name: 'a\u0000b' }), spec('name')],
  ['a name of 10,000 characters', () => ({ name: 'n'.repeat(10_000) }), spec('name')],
  ['no workflow', () => ({ workflows: [] }), spec('workflows')],
  [
    'one workflow id twice',
    () => ({ workflows: [0, 1].map(() => ({ id: 'a', use: 'cross-site-eval' })) }),
    spec('workflows[1].id'),
  ],
  ['no model where one is needed', () => ({ model: undefined }), spec('model')],
  ['a model that is no digest', () => ({ model: 'model.safetensors' }), spec('model')],
  ['more sites than can be', () => ({ minSites: 2 }), spec('minSites')],
  [
    'a mandatory site that is not deployed',
    () => ({ mandatorySites: ['elsewhere'] }),
    spec('mandatorySites[0]'),
  ],
  [
    'a missing blob',
    () => ({ model: `sha256-${'1'.repeat(64)}` }),
    { status: 422, code: 'MISSING_BLOB', path: 'model' },
  ],
  [
    'a manifest with a tensor that the model lacks',
    () => program(parameter('w', [4]), parameter('b', [2]), parameter('c', [1])),
    { status: 422, path: 'programs.train.manifest.parameters[2].name' },
  ],
  [
    'a manifest with another shape',
    () => program(parameter('w', [2, 2]), parameter('b', [2])),
    { status: 422, path: 'programs.train.manifest.parameters[0].shape' },
  ],
  [
    'a manifest with another dtype',
    () => program(parameter('w', [4]), parameter('b', [2], 'F16')),
    { status: 422, path: 'programs.train.manifest.parameters[1].dtype' },
  ],
  [
    'a manifest that forgets a tensor',
    () => program(parameter('w', [4])),
    { status: 422, path: 'programs.train.manifest.parameters' },
  ],
];

describe('a spec with', () => {
  test.each(CASES)('%s', async (_, change, problem) => {
    const before = await count();
    expectProblem(await rig.admin('POST', '/v1/jobs', { json: { ...good, ...change() } }), problem);
    expect(await count()).toBe(before);
  });
});

test('a model that is no safetensors file', async () => {
  const model = await rig.putBlob(new TextEncoder().encode('not a model at all'));
  expectProblem(await rig.admin('POST', '/v1/jobs', { json: { ...good, model } }), {
    status: 422,
    path: 'model',
  });
});

test('a body that is no JSON, is too long, or is of another type', async () => {
  const before = await count();
  const post = (body: string, type = 'application/json') =>
    rig.admin('POST', '/v1/jobs', { body, headers: { 'content-type': type } });
  expectProblem(await post('{"name": '), { status: 400, code: 'MALFORMED' });
  expectProblem(await post('[]'), { status: 422, code: 'INVALID_SPEC' });
  expectProblem(await post(JSON.stringify(good), 'text/plain'), { status: 415 });
  expectProblem(await post(`"${'x'.repeat(2 * 1024 * 1024)}"`), { status: 413, code: 'TOO_LARGE' });
  expectProblem(await post('['.repeat(100_000)), { status: 400 });
  expect(await count()).toBe(before);
});

test('queries and ids that are none', async () => {
  expectProblem(await rig.admin('GET', '/v1/jobs?limit=-1'), { status: 400 });
  expectProblem(await rig.admin('GET', '/v1/jobs?limit=many'), { status: 400 });
  expectProblem(await rig.admin('GET', '/v1/jobs/nothing'), { status: 404, code: 'NOT_FOUND' });
  expectProblem(await rig.admin('POST', '/v1/jobs/nothing/abort'), { status: 404 });
  expectProblem(await rig.admin('GET', '/v1/nothing'), { status: 404 });
  expectProblem(await rig.admin('PATCH', '/v1/jobs'), { status: 405 });
  const { token } = site;
  const job = await rig.submit(good);
  expectProblem(await rig.call('GET', `/v1/jobs/${job}/task?wait=99`, { token }), { status: 400 });
  expectProblem(await rig.admin('GET', `/v1/jobs/${job}?since=-1`), { status: 400 });
  expectProblem(await rig.call('GET', '/v1/jobs/nothing/task', { token }), { status: 404 });
});

test('site names that are none', async () => {
  const token = await rig.enrolment();
  const names = [
    '',
    'UPPER',
    '../up',
    'a\u0007',
    'n'.repeat(10_000),
    'global',
    'best',
    'server',
    '-x',
    7,
  ];
  for (const name of names) {
    expectProblem(await rig.call('POST', '/v1/sites', { token, json: { name } }), {
      status: 422,
      path: 'name',
    });
  }
  // None of them has used the token up.
  const { status } = await rig.call('POST', '/v1/sites', { token, json: { name: 'at-last' } });
  expect(status).toBe(201);
});

test('an enrolment that is used up, expired or unknown; a name that is taken', async () => {
  const enrol = (token: string, name: string) =>
    rig.call('POST', '/v1/sites', { token, json: { name } });
  const once = await rig.enrolment({ uses: 1 });
  expect((await enrol(once, 'first')).status).toBe(201);
  expectProblem(await enrol(once, 'second'), { status: 401, code: 'UNAUTHORIZED' });
  const short = await rig.enrolment({ uses: 5, expiresIn: 1 });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expectProblem(await enrol(short, 'third'), { status: 401, code: 'UNAUTHORIZED' });
  expectProblem(await enrol('tenrol_nonsense', 'fourth'), { status: 401 });
  expectProblem(await enrol(await rig.enrolment(), 'first'), { status: 409, code: 'CONFLICT' });
  for (const json of [{ uses: 0 }, { uses: 'many' }, { expiresIn: -1 }, { extra: 1 }]) {
    expectProblem(await rig.admin('POST', '/v1/enrolments', { json }), { status: 422, path: /./ });
  }
});

test('a name of the greatest length is taken', async () => {
  const model = await rig.putBlob(vectors({ w: [1] }));
  const id = await rig.submit({ ...good, model, name: 'n'.repeat(128) });
  expect((await rig.admin<{ name: string }>('GET', `/v1/jobs/${id}`)).json.name).toBe(
    'n'.repeat(128),
  );
});
