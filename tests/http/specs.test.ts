import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../core/protocol/limits.ts';
import { Api, matrix, sumJob } from './api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
let api: Api;
let model: string;

beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  model = await api.blob(matrix([1, 2, 3, 4], [2, 2]));
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
