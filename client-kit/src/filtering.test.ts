import { expect, test } from 'vitest';
import { findCodec } from '../../core/filters/quantization/registry.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { FakeServer } from '../tests/fake-server.ts';
import type { FakeTask } from '../tests/fake-server.ts';
import { ended, numbers, serve } from '../tests/serve.ts';
import type { ExecutorKind } from './assignment.ts';
import type { Execution } from './assignment.ts';
import type { SiteEvent } from './event.ts';
import { recast } from './recast.ts';
import { keyOf, secretOf } from './secret.ts';
import type { SiteOptions } from './site.ts';
import { MemoryStore } from './store.ts';

type FilterInput = NonNullable<JobSpecInput['filters']>[number];

const at = { tasks: ['*'], on: 'result' as const, at: 'site' as const };
const onData = { ...at, on: 'data' as const };

/** What a task came to, at a site with these filters, whose executor gives back what `work` makes of the model. */
const answer = async (
  filters: readonly FilterInput[],
  work: (params: Tensors | undefined, data: object) => Execution,
  task: Partial<FakeTask> = {},
  options: Partial<SiteOptions> = {},
) => {
  const server = new FakeServer();
  const given = { id: 't', name: 'train', model: encode(numbers(1, 2, 3)), ...task };
  const spec = { filters: [...filters], executors: [{ tasks: ['*'], use: 'app' }] };
  server.addJob('j', spec, [given]).ended = true;
  const app: ExecutorKind = {
    exclusive: false,
    make: () => ({
      execute: ({ params, task: { data } }) => Promise.resolve(work(params, data)),
    }),
  };
  const events = await serve(server, ended, { executors: { app }, ...options });
  const body = server.results.get('t')?.body ?? new Uint8Array();
  return { ...server.tensorsOf('t'), body, events };
};
const diff = (...values: number[]) => ({
  model: { paramsType: 'DIFF' as const, params: numbers(...values) },
});
const codeOf = ({ header }: { header: Record<string, unknown> }) => [
  header['return_code'],
  (header['meta'] as { detail?: string } | undefined)?.detail,
];

test('the noise is the site’s own secret: another site draws other, the same site the same again', async () => {
  const filters = [{ ...at, use: 'gaussian', args: { clip: 10, sigma: 1 } }];
  const store = new MemoryStore();
  const once = async (options: Partial<SiteOptions>) => {
    const { tensors, header } = await answer(filters, () => diff(0, 0, 0), {}, options);
    expect(header['meta']).toMatchObject({
      gaussian_privacy_budget: { sigma: 1, clip: 10 },
      filter_history: ['gaussian'],
    });
    return [...(tensors.get('w')?.data ?? [])].map(Number);
  };
  const first = await once({ store });
  expect(new Set(first).size).toBe(3);
  const secret = await store.read('secret');
  expect(secret?.size).toBe(32);
  // The store outlives the job: a killed site repeats its task bit for bit.
  expect(await once({ store })).toEqual(first);
  // Same job, seed, site name and task, another secret.
  const other = await once({});
  expect(other.some((x, i) => x === first[i])).toBe(false);
});

test('a key is of one purpose only', async () => {
  const secret = await secretOf(new MemoryStore());
  const keys = await Promise.all(
    [
      ['j', 'main', 0, 't1', 'result'],
      ['j', 'main', 0, 't1', 'data'],
      ['j', 'main', 1, 't1', 'result'],
      ['j', 'main', 0, 't2', 'result'],
    ].map(async (purpose) => String(await keyOf(secret, purpose))),
  );
  expect(new Set(keys).size).toBe(4);
  expect(String(await keyOf(secret, ['j', 'main', 0, 't1', 'result']))).toBe(keys[0]);
});

test('a quantised result says what it is, and is never converted', async () => {
  const filters = [{ ...at, use: 'model-quantizer', args: { quantizationType: 'blockwise8' } }];
  const { tensors, header, body, events } = await answer(filters, () => diff(0.5, -1, 0));
  expect(header).toMatchObject({ params_type: 'DIFF', return_code: 'OK' });
  expect(tensors.get('w')).toMatchObject({ dtype: 'U8', shape: [7] });
  const opened = decode(body);
  expect(opened.ok && JSON.parse(opened.value.metadata.get('quantization') ?? '')).toEqual({
    type: 'blockwise8',
    tensors: [['w', 'F32', [3]]],
  });
  expect(() => recast(body, encode(numbers(1, 2, 3)))).toThrow('quantised');
  expect(events.map(({ type }) => type)).not.toContain('failed');
});

const halves = (): Uint8Array<ArrayBuffer> => {
  const codec = findCodec('float16');
  if (!codec) throw new Error('no float16');
  const spec = { name: 'w', dtype: 'F32', shape: [3] } as const;
  const data = codec.encode(spec, Float32Array.of(1, 2, 0.1));
  const quantization = JSON.stringify({ type: 'float16', tensors: [['w', 'F32', [3]]] });
  const tensors: Tensors = new Map([['w', { ...codec.becomes(spec), data }]]);
  return encode(tensors, new Map([['quantization', quantization]]));
};

test('a quantised model is worked on as numbers, and a difference is from these', async () => {
  let seen: Tensors | undefined;
  const { tensors } = await answer(
    [{ ...onData, use: 'model-dequantizer' }],
    (params) => {
      seen = params;
      return { model: { params: numbers(2, 4, 1) } };
    },
    { model: halves(), paramsType: 'DIFF' },
  );
  const tenth = Math.fround(0.0999755859375);
  expect(seen).toEqual(numbers(1, 2, tenth));
  expect(tensors).toEqual(numbers(1, 2, 1 - tenth));
});

test.each([
  ['without a filter', []],
  [
    'with another filter only',
    [{ ...onData, use: 'dxo-blocker', args: { dataKinds: ['METRICS'] } }],
  ],
])('a quantised model that nothing decodes is not worked on: %s', async (_, filters) => {
  const worked = await answer(filters, () => diff(1, 1, 1), { model: halves() });
  expect(codeOf(worked)).toEqual([
    'TASK_DATA_FILTER_ERROR',
    expect.stringContaining('no filter decodes it'),
  ]);
});

test('conversions at the site: whole parameters, clipped as a difference, and whole again', async () => {
  const { tensors, header } = await answer(
    [
      { ...at, use: 'convert-weights', args: { direction: 'weights_to_diff' } },
      { ...at, use: 'clip', args: { norm: 1 } },
      { ...at, use: 'convert-weights', args: { direction: 'diff_to_weights' } },
    ],
    () => ({ model: { params: numbers(4, 2, 7) } }),
    { paramsType: 'FULL' },
  );
  expect(header).toMatchObject({ params_type: 'FULL' });
  const [a, b, c] = [...(tensors.get('w')?.data ?? [])].map(Number);
  expect([a, b, c]).toEqual([Math.fround(1.6), 2, Math.fround(3.8)]);
});

const blocker = (...dataKinds: string[]) => ({ ...at, use: 'dxo-blocker', args: { dataKinds } });
const stats = { dataKind: 'STATISTICS', data: { count: 3 } } as const;

test.each<[string, readonly FilterInput[], () => Execution, Partial<FakeTask>, string]>([
  ['metrics', [blocker('METRICS')], () => ({ model: { metrics: { loss: 1 } } }), {}, 'METRICS'],
  ['statistics', [blocker('STATISTICS')], () => ({ model: {}, content: stats }), {}, 'STATISTICS'],
  [
    'a difference',
    [blocker('WEIGHT_DIFF')],
    () => diff(1, 1, 1),
    { paramsType: 'DIFF' },
    'WEIGHT_DIFF',
  ],
])('every answer goes through the filters: %s', async (_, filters, work, task, kind) => {
  const { header, tensors, events } = await answer(filters, work, task);
  expect(codeOf({ header })).toEqual([
    'TASK_RESULT_FILTER_ERROR',
    `dxo-blocker: ${kind} may not pass`,
  ]);
  expect(tensors.size).toBe(0);
  const failed = events.find((event) => event.type === 'failed') as SiteEvent & { type: 'failed' };
  expect(failed.returnCode).toBe('TASK_RESULT_FILTER_ERROR');
});

test('task data goes through the filters before anything is worked on', async () => {
  let worked = 0;
  const work = () => {
    worked++;
    return diff(1, 1, 1);
  };
  const filters = [{ ...blocker('WEIGHTS'), on: 'data' as const }];
  expect(codeOf(await answer(filters, work))).toEqual([
    'TASK_DATA_FILTER_ERROR',
    'dxo-blocker: WEIGHTS may not pass',
  ]);
  expect(worked).toBe(0);
});

test('a filter that throws is one that declines, and its text stays at the site', async () => {
  const { header, events } = await answer(
    [],
    () => diff(1, 1, 1),
    {},
    {
      policy: {
        filters: () => [
          {
            name: 'broken',
            needs: 'ANY',
            map: () => {
              throw new Error('the patient is 81');
            },
          },
        ],
      },
    },
  );
  expect(codeOf({ header })).toEqual(['TASK_DATA_FILTER_ERROR', 'a filter failed']);
  expect(JSON.stringify(header)).not.toContain('81');
  expect(String(events.find((event) => event.type === 'failed')?.error.cause)).toContain('81');
});

test('what travels beside the parameters is filtered with them', async () => {
  const content = { sets: new Map([['optimizer', { kind: 'OTHER', tensors: numbers(0, 4) }]]) };
  const { tensors, header } = await answer([{ ...at, use: 'clip', args: { norm: 1 } }], () => ({
    ...diff(3, 0, 0),
    content: content as NonNullable<Execution['content']>,
  }));
  expect(tensors.get('w')?.data).toEqual(Float32Array.of(0.6, 0, 0));
  expect(tensors.get('optimizer/w')?.data).toEqual(Float32Array.of(0, 0.8));
  expect(header['sets']).toMatchObject({ params: { kind: 'WEIGHT_DIFF' } });
  const whole = { sets: new Map([['more', { kind: 'WEIGHTS', tensors: numbers(0, 4) }]]) };
  const refused = await answer([{ ...at, use: 'clip', args: { norm: 1 } }], () => ({
    ...diff(3, 0, 0),
    content: whole as NonNullable<Execution['content']>,
  }));
  expect(codeOf(refused)).toEqual([
    'TASK_RESULT_FILTER_ERROR',
    'clip: takes DIFF, got FULL in the set more',
  ]);
});
