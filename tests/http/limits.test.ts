import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { PollAnswer } from '../../core/protocol/task.ts';
import { Api, matrix, sumJob } from './api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

// Limits of what a body says: at the limit it is taken, one over it is refused, with the path of the field.

let server: Server;
let api: Api;
let model: string;
let site: string;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  model = await api.blob(matrix([1, 2]));
  site = await api.site('alpha');
});
afterAll(() => server.stop());

const many = <T>(count: number, item: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => item(i));
const workflow = (changes: object = {}) => ({
  id: 'train',
  use: 'cyclic',
  args: { rounds: 1 },
  ...changes,
});
const executor = { tasks: ['*'], use: 'add' };
const filter = {
  tasks: ['x'],
  on: 'result',
  at: 'site',
  use: 'exclude-vars',
  args: { excludeVars: ['b'] },
};
/** Of a program for the model of these tests, whose batch has this name. */
const manifest = (input: string) => ({
  version: 1,
  kind: 'train',
  parameters: [
    { name: 'w', dtype: 'F32', shape: [2], role: 'trainable', input: 'w', output: 'w2' },
  ],
  state: [],
  inputs: { x: { input, dtype: 'U8', shape: ['batch', 28, 28] } },
  metrics: [],
});
const fields = (n: number) => Object.fromEntries(many(n, (i) => [`f${i}`, i]));
/** As no site has these names, no such job ever starts. */
const deploy = ['nowhere*'];

describe('a spec', () => {
  test.each<[limit: string, most: number, changes: (n: number) => object, path: string]>([
    ['jobNameLength', LIMITS.jobNameLength, (n) => ({ name: 'n'.repeat(n) }), 'name'],
    ['sitesPerJob: minSites', LIMITS.sitesPerJob, (minSites) => ({ minSites }), 'minSites'],
    [
      'sitesPerJob: mandatorySites',
      LIMITS.sitesPerJob,
      (n) => ({ mandatorySites: many(n, (i) => `nowhere${i}`) }),
      'mandatorySites',
    ],
    [
      'rounds',
      LIMITS.rounds,
      (rounds) => ({ workflows: [workflow({ args: { rounds } })] }),
      'workflows[0].args.rounds',
    ],
    [
      'durationS',
      LIMITS.durationS,
      (timeout) => ({ workflows: [workflow({ use: 'fed-avg', args: { rounds: 1, timeout } })] }),
      'workflows[0].args.timeout',
    ],
    [
      'graphNameLength',
      LIMITS.graphNameLength,
      (n) => ({ programs: { train: { blob: model, manifest: manifest('i'.repeat(n)) } } }),
      'programs.train.manifest.inputs.x.input',
    ],
    [
      'an id of 63 characters',
      63,
      (n) => ({ workflows: [workflow({ id: 'i'.repeat(n) })] }),
      'workflows[0].id',
    ],
    [
      'workflows',
      LIMITS.workflows,
      (n) => ({ workflows: many(n, (i) => workflow({ id: `w${i}` })) }),
      'workflows',
    ],
    [
      'programs',
      LIMITS.programs,
      (n) => ({
        programs: Object.fromEntries(
          many(n, (i) => [`p${i}`, { blob: model, manifest: manifest('x') }]),
        ),
      }),
      'programs',
    ],
    ['executors', LIMITS.executors, (n) => ({ executors: many(n, () => executor) }), 'executors'],
    ['filters', LIMITS.filters, (n) => ({ filters: many(n, () => filter) }), 'filters'],
    ['patterns', LIMITS.patterns, (n) => ({ deploy: many(n, (i) => `nowhere${i}`) }), 'deploy'],
    ['patternLength', LIMITS.patternLength, (n) => ({ deploy: ['n'.repeat(n)] }), 'deploy[0]'],
  ])('%s: %i', async (_, most, changes, path) => {
    const spec = (n: number) => ({
      name: 'n',
      model,
      deploy,
      workflows: [workflow()],
      executors: [executor],
      ...changes(n),
    });
    await api.json('/v1/jobs', 201, { body: spec(most) });
    const { errors } = await api.problem('/v1/jobs', 422, { body: spec(most + 1) });
    expect(errors?.map((error) => error.path)).toEqual([path]);
  });
});

describe('an enrolment', () => {
  test.each([
    ['uses', LIMITS.enrolmentUses],
    ['expiresIn', LIMITS.enrolmentS],
  ])('%s: %i', async (field, most) => {
    await api.json('/v1/enrolments', 201, { body: { [field]: most } });
    const { errors } = await api.problem('/v1/enrolments', 422, { body: { [field]: most + 1 } });
    expect(errors?.map(({ path }) => path)).toEqual([field]);
  });

  test('of a site whose name has 63 characters, not 64', async () => {
    const token = await api.enrolment({ uses: 2 });
    await api.json('/v1/sites', 201, { token, body: { name: 's'.repeat(63) } });
    const { errors } = await api.problem('/v1/sites', 422, {
      token,
      body: { name: 's'.repeat(64) },
    });
    expect(errors?.map(({ path }) => path)).toEqual(['name']);
  });

  test('of a site with so many capabilities, of such length', async () => {
    const token = await api.enrolment({ uses: 2 });
    const cases: [name: string, most: number, capabilities: (n: number) => object][] = [
      ['fields', LIMITS.fields, fields],
      ['text', LIMITS.capabilityLength, (n) => ({ runtime: 'r'.repeat(n) })],
    ];
    for (const [name, most, capabilities] of cases) {
      const body = (n: number) => ({ name, capabilities: capabilities(n) });
      const { errors } = await api.problem('/v1/sites', 422, { token, body: body(most + 1) });
      expect(errors?.map(({ path }) => path.split('.')[0])).toEqual(['capabilities']);
      await api.json('/v1/sites', 201, { token, body: body(most) });
    }
  });
});

test('jsonDepth: a body may nest so deep, and is then looked at', async () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const send = (depth: number) => ({
    body: nested(depth),
    headers: { 'content-type': 'application/json' },
  });
  await api.problem('/v1/jobs', 422, send(LIMITS.jsonDepth));
  await api.problem('/v1/jobs', 400, send(LIMITS.jsonDepth + 1));
});

test('metrics: their number, and the length of their keys and text', async () => {
  const id = await api.submit(sumJob(model, { name: 'metrics', deploy: ['alpha'], minSites: 1 }));
  const entry = { seq: 0, key: 'k', value: 1 };
  const path = `/v1/jobs/${id}/metrics`;
  const cases: [most: number, entries: (n: number) => object[], path: string][] = [
    [LIMITS.metricsBatch, (n) => many(n, (seq) => ({ ...entry, seq })), 'entries'],
    [
      LIMITS.metricKeyLength,
      (n) => [{ ...entry, seq: 2000, key: 'k'.repeat(n) }],
      'entries[0].key',
    ],
    [
      LIMITS.metricTextLength,
      (n) => [{ ...entry, seq: 2001, value: 't'.repeat(n) }],
      'entries[0].value',
    ],
    [LIMITS.fields, (n) => [{ ...entry, seq: 2002, value: fields(n) }], 'entries[0].value'],
    [
      LIMITS.metricKeyLength,
      (n) => [{ ...entry, seq: 2003, value: { ['k'.repeat(n)]: 1 } }],
      `entries[0].value.${'k'.repeat(64)}…`,
    ],
  ];
  for (const [most, entries, at] of cases) {
    const ok = { token: site, body: { entries: entries(most) } };
    await api.json(path, 200, ok);
    const over = { token: site, body: { entries: entries(most + 1) } };
    const { errors } = await api.problem(path, 422, over);
    expect(errors?.map((error) => error.path)).toEqual([at]);
  }
});

test('a result: steps of a round, and the length of a metric’s key', async () => {
  const id = await api.submit(sumJob(model, { name: 'result', deploy: ['alpha'] }));
  const answer = await api.json<PollAnswer>(`/v1/jobs/${id}/task?wait=10`, 200, { token: site });
  if (answer.status !== 'task') throw new Error(answer.status);
  const send = async (steps: number, key: string) => {
    const meta = { NUM_STEPS_CURRENT_ROUND: steps };
    const header = { params_type: 'FULL', meta, metrics: { [key]: 1 } };
    const sent = await api.putResult(answer.task.resultUrl, site, matrix([1, 2], [2], header));
    return {
      status: sent.status,
      ...((await sent.json()) as { code?: string; errors?: { path: string }[] }),
    };
  };
  const key = 'k'.repeat(LIMITS.metricKeyLength);
  expect(await send(LIMITS.stepsPerRound, `${key}k`)).toMatchObject({ status: 422 });
  expect(await send(LIMITS.stepsPerRound + 1, key)).toMatchObject({
    status: 422,
    errors: [{ path: 'meta.NUM_STEPS_CURRENT_ROUND' }],
  });
  expect(await send(LIMITS.stepsPerRound, key)).toMatchObject({ status: 'accepted' });
});
