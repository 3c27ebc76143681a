import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnalyticsRecord } from '../../core/protocol/analytics.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { Api, matrix, sumJob } from './api.ts';
import { ADMIN, type Server, startServer } from './server.ts';

let server: Server;
let api: Api;
let model: string;
let site: string;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  model = await api.blob(matrix([1, 2, 3, 4], [2, 2]));
  site = await api.site('alpha');
});
afterAll(() => server.stop());

const train = { id: 'train', use: 'fed-avg', args: { rounds: 1 } };
const executors = [{ tasks: ['*'], use: 'add', args: { transferType: 'DIFF' } }];
const missing = `sha256-${'3'.repeat(64)}`;
const parameter = {
  name: 'w',
  dtype: 'F32',
  shape: [2, 2],
  role: 'trainable',
  input: 'w',
  output: 'w2',
};
const manifest = {
  version: 1,
  kind: 'train',
  parameters: [parameter],
  state: [],
  inputs: { x: { input: 'x', dtype: 'U8', shape: ['batch', 28, 28] } },
  metrics: [],
};
const program = (changes: object = {}) => ({
  train: { blob: model, manifest: { ...manifest, ...changes } },
});

describe('a spec is refused, naming the field', () => {
  test.each<[what: string, changes: object | (() => object), path: string]>([
    ['no name', { name: undefined }, 'name'],
    ['a control character in the name', { name: 'a\u0007b' }, 'name'],
    ['a name too long', { name: 'x'.repeat(LIMITS.jobNameLength + 1) }, 'name'],
    ['10,000 characters', { name: 'x'.repeat(10_000) }, 'name'],
    ['an unknown field', { rounds: 3 }, 'rounds'],
    ['no workflows', { workflows: [] }, 'workflows'],
    ['a workflow nobody wrote', { workflows: [{ ...train, use: 'magic' }] }, 'workflows[0].use'],
    ['a name from Object', { workflows: [{ ...train, use: 'constructor' }] }, 'workflows[0].use'],
    [
      'negative rounds',
      { workflows: [train, { ...train, id: 'b', args: { rounds: -1 } }] },
      'workflows[1].args.rounds',
    ],
    [
      'an unknown arg',
      { workflows: [{ ...train, args: { rounds: 1, foo: 1 } }] },
      'workflows[0].args.foo',
    ],
    [
      'an unknown aggregator',
      { workflows: [{ ...train, args: { rounds: 1, aggregator: 'mode' } }] },
      'workflows[0].args.aggregator',
    ],
    ['one id for two workflows', { workflows: [train, train] }, 'workflows[1].id'],
    ['an unknown executor', { executors: [{ tasks: ['*'], use: 'magic' }] }, 'executors[0].use'],
    [
      'a bad executor arg',
      { executors: [{ tasks: ['*'], use: 'add', args: { steps: 0 } }] },
      'executors[0].args.steps',
    ],
    ['a task without executor', { executors: [{ tasks: ['val*'], use: 'add' }] }, 'executors'],
    [
      'an unknown filter',
      { filters: [{ tasks: ['train'], on: 'result', at: 'site', use: 'magic' }] },
      'filters[0].use',
    ],
    [
      'a bad filter arg',
      {
        filters: [{ tasks: ['train'], on: 'result', at: 'site', use: 'clip', args: { norm: -1 } }],
      },
      'filters[0].args.norm',
    ],
    [
      'a DIFF filter on FULL parameters',
      {
        executors: [{ tasks: ['*'], use: 'add' }],
        filters: [{ tasks: ['train'], on: 'result', at: 'site', use: 'clip', args: { norm: 1 } }],
      },
      'filters[0].use',
    ],
    [
      'a DIFF filter on the models that sites submit',
      {
        workflows: [train, { id: 'cross', use: 'cross-site-eval' }],
        filters: [{ tasks: ['*'], on: 'result', at: 'site', use: 'clip', args: { norm: 1 } }],
      },
      'filters[0].use',
    ],
    [
      'more answers than it deploys to',
      { deploy: ['alpha'], workflows: [{ ...train, args: { rounds: 1, minResponses: 2 } }] },
      'workflows[0].args.minResponses',
    ],
    [
      'an order of sites it does not deploy to',
      {
        deploy: ['a*'],
        workflows: [{ id: 'c', use: 'cyclic', args: { rounds: 1, order: ['alpha', 'beta'] } }],
      },
      'workflows[0].args.order[1]',
    ],
    ['more sites than it deploys to', { deploy: ['alpha'], minSites: 2 }, 'minSites'],
    [
      'a mandatory site it does not deploy to',
      { deploy: ['a*'], mandatorySites: ['beta'] },
      'mandatorySites[0]',
    ],
    ['a reserved site name', { mandatorySites: ['global'] }, 'mandatorySites[0]'],
    ['no model', { model: undefined }, 'model'],
    ['a model nobody uploaded', { model: missing }, 'model'],
    [
      'a program nobody uploaded',
      { programs: { train: { blob: missing, manifest } } },
      'programs.train.blob',
    ],
    [
      'a program for another tensor',
      () => ({ programs: program({ parameters: [parameter, { ...parameter, name: 'v' }] }) }),
      'programs.train.manifest.parameters[1].name',
    ],
    [
      'a program with a frozen tensor that the model lacks',
      () => ({
        programs: program({
          parameters: [parameter, { ...parameter, name: 'v', role: 'frozen', output: undefined }],
        }),
      }),
      'programs.train.manifest.parameters[1].name',
    ],
    [
      'a program for another shape',
      () => ({ programs: program({ parameters: [{ ...parameter, shape: [4] }] }) }),
      'programs.train.manifest.parameters[0].shape',
    ],
    [
      'a program for another dtype',
      () => ({ programs: program({ parameters: [{ ...parameter, dtype: 'F16' }] }) }),
      'programs.train.manifest.parameters[0].dtype',
    ],
    [
      'a program that ignores a tensor',
      () => ({ programs: program({ parameters: [] }) }),
      'programs.train.manifest.parameters',
    ],
    [
      'a trainable tensor without output',
      () => ({ programs: program({ parameters: [{ ...parameter, output: undefined }] }) }),
      'programs.train.manifest.parameters[0].output',
    ],
    [
      'an evaluate program as train',
      () => ({ programs: program({ kind: 'evaluate' }) }),
      'programs.train.manifest.kind',
    ],
    [
      'data of another shape',
      () => ({ programs: program(), data: { x: { shape: [32, 32], dtype: 'U8' } } }),
      'data.x.shape',
    ],
    [
      'data of another dtype',
      () => ({ programs: program(), data: { x: { shape: [28, 28], dtype: 'F32' } } }),
      'data.x.dtype',
    ],
  ])('%s', async (_, changes, path) => {
    const body = {
      ...sumJob(model),
      executors,
      ...(typeof changes === 'function' ? changes() : changes),
    };
    const { errors } = await api.problem('/v1/jobs', 422, { body });
    expect(errors?.map((error) => error.path)).toContain(path);
  });

  test('a model that is no safetensors file', async () => {
    const other = await api.blob(new TextEncoder().encode('no tensors in here'));
    const { code, errors } = await api.problem('/v1/jobs', 422, { body: sumJob(other) });
    expect([code, errors?.[0]?.path]).toEqual(['MANIFEST_MISMATCH', 'model']);
  });

  test('and one that fits is taken, defaults filled in', async () => {
    const data = { x: { shape: [28, 28], dtype: 'U8' } as const };
    const filters = [
      {
        tasks: ['train'],
        on: 'result',
        at: 'site',
        use: 'exclude-vars',
        args: { excludeVars: ['b'] },
      },
    ];
    const body = { ...sumJob(model), executors, programs: program(), data, filters };
    const { id } = await api.json('/v1/jobs', 201, { body });
    const spec = await api.json(`/v1/jobs/${String(id)}/spec`, 200);
    expect(spec).toMatchObject({
      seed: 0,
      minSites: 1,
      executors: [{ sites: ['@all'], args: { delta: 1, steps: 1 } }],
      // A filter that drops tensors makes updates partial.
      workflows: [{ args: { rounds: 1, aggregator: 'mean', partial: true } }],
    });
    await api.json(`/v1/jobs/${String(id)}`, 200);
  });
});

test('nothing refused has left a job', async () => {
  const { jobs } = await api.json<{ jobs: unknown[] }>('/v1/jobs', 200);
  expect(jobs).toHaveLength(1);
});

describe('lists', () => {
  test('jobs come newest first, in pages that join', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.unshift(await api.submit(sumJob(model, { name: `n${i}` })));
    const seen: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const list = await api.json<{ jobs: { id: string }[]; next: string | null }>(
        `/v1/jobs?limit=2${cursor}`,
        200,
      );
      expect(list.jobs.length).toBeLessThanOrEqual(2);
      seen.push(...list.jobs.map(({ id }) => id));
      if (list.next === null) break;
      cursor = `&cursor=${encodeURIComponent(list.next)}`;
    }
    expect(seen.slice(0, 5)).toEqual(made);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test('sites come by name', async () => {
    await api.site('beta');
    const first = await api.json('/v1/sites?limit=1', 200);
    expect(first).toMatchObject({ sites: [{ name: 'alpha', status: 'active' }], next: 'alpha' });
    const second = await api.json('/v1/sites?limit=1&cursor=alpha', 200);
    expect(second).toMatchObject({ sites: [{ name: 'beta' }], next: null });
  });
});

describe('one job', () => {
  let id: string;
  beforeAll(async () => {
    id = await api.submit(sumJob(model, { deploy: ['alpha'] }));
  });
  const view = () => api.json<JobView>(`/v1/jobs/${id}`, 200);

  test('has an ETag that a client can ask with', async () => {
    const response = await api.call(`/v1/jobs/${id}`);
    const etag = response.headers.get('etag') ?? '';
    const { version } = (await response.json()) as JobView;
    // Weak: the bytes may differ (`lastSeen`), the version doesn't.
    expect(etag).toBe(`W/"${version}"`);
    for (const known of [etag, `"${version}"`, `"0", ${etag}`, '*']) {
      const answer = await api.call(`/v1/jobs/${id}`, { headers: { 'if-none-match': known } });
      expect(answer.status, known).toBe(304);
    }
    const other = await api.call(`/v1/jobs/${id}`, { headers: { 'if-none-match': 'W/"0"' } });
    expect(other.status).toBe(200);
    const head = await api.call(`/v1/jobs/${id}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag')]).toEqual([200, etag]);
  });

  test('is waited for until its version grows', async () => {
    const { version } = await view();
    const waiting = api.json<JobView>(`/v1/jobs/${id}?wait=25&since=${version}`, 200);
    await api.json(`/v1/jobs/${id}/task`, 200, { token: site });
    expect((await waiting).version).toBeGreaterThan(version);
  });

  test('tells its sites of itself, and others nothing', async () => {
    await api.json(`/v1/jobs/${id}`, 200, { token: site });
    const stranger = await api.site('stranger');
    for (const path of ['', '/spec', '/task', '/models/global', `/blobs/${model}`]) {
      await api.problem(`/v1/jobs/${id}${path}`, 403, { token: stranger });
    }
  });

  test('takes values that a site logs, once each', async () => {
    const entry = (seq: number) => ({ seq, key: 'loss', value: seq / 2, step: seq });
    const body = { entries: [1, 2, 3].map(entry) };
    const metrics = `/v1/jobs/${id}/metrics`;
    await api.json(metrics, 200, { token: site, body });
    await api.json(metrics, 200, { token: site, body });
    const page = await api.json<{ metrics: AnalyticsRecord[]; next: string | null }>(
      `${metrics}?limit=2&key=loss&site=alpha`,
      200,
    );
    expect(page.metrics.map(({ value }) => value)).toEqual([0.5, 1]);
    const rest = await api.json(`${metrics}?cursor=${page.next ?? ''}`, 200);
    expect(rest).toMatchObject({ metrics: [{ site: 'alpha', value: 1.5, step: 3 }], next: null });
    const entries = Array.from({ length: LIMITS.metricsBatch + 1 }, (_, i) => entry(i));
    const { errors } = await api.problem(metrics, 422, { token: site, body: { entries } });
    expect(errors?.[0]?.path).toBe('entries');
    await api.json(metrics, 200, { token: site, body: { entries: entries.slice(1) } });
  });

  test('streams its events, from where a reader left off', async () => {
    const read = async (headers: Record<string, string>, until: RegExp): Promise<string> => {
      const stop = new AbortController();
      const response = await api.fetch(`${server.url}/v1/jobs/${id}/events`, {
        headers: { authorization: `Bearer ${ADMIN}`, ...headers },
        signal: stop.signal,
      });
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk);
        if (until.test(text)) break;
      }
      stop.abort();
      return text;
    };
    const all = await read({}, /event: task\n[^]*?\n\n/);
    expect(all).toMatch(/event: status/);
    const [, first] = /^id: (\d+)/m.exec(all) ?? [];
    const rest = await read({ 'last-event-id': first ?? '' }, /\n\n/);
    const [, next] = /^id: (\d+)/m.exec(rest) ?? [];
    expect(Number(next)).toBeGreaterThan(Number(first));
    expect((await api.call(`/v1/jobs/${id}/events`, { method: 'HEAD' })).status).toBe(405);
  });

  test('is cloned, aborted, and deleted', async () => {
    const twin = await api.json(`/v1/jobs/${id}/clone`, 201, { method: 'POST' });
    expect(await api.json(`/v1/jobs/${String(twin['id'])}`, 200)).toMatchObject({ clonedFrom: id });
    const aborted = await api.json(`/v1/jobs/${id}/abort`, 200, { method: 'POST' });
    expect(aborted).toMatchObject({ status: 'FINISHED:ABORTED' });
    expect(await api.json(`/v1/jobs/${id}/task`, 200, { token: site })).toMatchObject({
      status: 'end',
    });
    const deleted = await api.call(`/v1/jobs/${id}`, { method: 'DELETE' });
    expect([deleted.status, await deleted.text()]).toEqual([204, '']);
    await api.problem(`/v1/jobs/${id}`, 404);
    await api.problem(`/v1/jobs/${id}`, 404, { method: 'DELETE' });
    await api.problem(`/v1/jobs/${id}/clone`, 404, { method: 'POST' });
    await api.problem(`/v1/jobs/${id}/task`, 404, { token: site });
    await api.json(`/v1/jobs/${String(twin['id'])}`, 200);
  });

  test('cannot be resumed where it was not suspended', async () => {
    const twin = await api.submit(sumJob(model));
    const response = await api.call(`/v1/jobs/${twin}/resume`, { method: 'POST' });
    expect([200, 409]).toContain(response.status);
  });
});

describe('enrolments', () => {
  test('expire', async () => {
    const token = await api.enrolment({ expiresIn: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { detail } = await api.problem('/v1/sites', 401, { token, body: { name: 'late' } });
    expect(detail).toContain('expired');
  });

  test('are good for as many sites as they say', async () => {
    const token = await api.enrolment({ uses: 2 });
    await api.json('/v1/sites', 201, { token, body: { name: 'one' } });
    const capabilities = { gpu: true, cores: 8, runtime: 'onnx' };
    await api.json('/v1/sites', 201, { token, body: { name: 'two', capabilities } });
    await api.problem('/v1/sites', 401, { token, body: { name: 'three' } });
    const { sites } = await api.json<{ sites: { name: string }[] }>('/v1/sites', 200);
    expect(sites.find(({ name }) => name === 'two')).toMatchObject({ capabilities });
  });

  test('a taken name is a conflict, and costs no use', async () => {
    const token = await api.enrolment({ uses: 1 });
    const { code } = await api.problem('/v1/sites', 409, { token, body: { name: 'alpha' } });
    expect(code).toBe('CONFLICT');
    await api.json('/v1/sites', 201, { token, body: { name: 'free' } });
  });

  test.each([
    '',
    'Alpha',
    '-a',
    'global',
    'best',
    'server',
    'a b',
    'a/b',
    'ä',
    'a'.repeat(64),
    'x\u0000',
  ])('the name %j is refused', async (name) => {
    const token = await api.enrolment();
    const { errors } = await api.problem('/v1/sites', 422, { token, body: { name } });
    expect(errors?.[0]?.path).toBe('name');
  });

  test('a name of 63 characters is fine', async () => {
    const token = await api.enrolment();
    await api.json('/v1/sites', 201, { token, body: { name: 'a'.repeat(63) } });
  });

  test('revoking a site nobody enrolled is 404', async () => {
    await api.problem('/v1/sites/nobody', 404, { method: 'DELETE' });
    await api.problem('/v1/sites/%00', 404, { method: 'DELETE' });
  });
});
