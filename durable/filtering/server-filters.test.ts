import { expect, test } from 'vitest';
import { encodeQuantization } from '../../core/filters/quantization/metadata.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import { findCodec } from '../../core/filters/quantization/registry.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import type { Task } from '../../core/protocol/task.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
} from '../../tests/workerd/bytes-room.ts';
import { admin, newJob, site, uploadBlob } from '../../tests/workerd/job-fixture.ts';
import type { TestJob } from '../../tests/workerd/job-fixture.ts';
import type { JobRecord } from '../state/job-record.ts';
import { ResultFilter } from './result-filter.ts';

const SITES = ['a', 'b'];
const sum = (xs: readonly number[]): number => xs.reduce((total, x) => total + x, 0);

const start = async (
  filters: NonNullable<JobSpecInput['filters']>,
  args: Record<string, unknown> = {},
): Promise<TestJob> => {
  const model = await uploadBlob(
    encode(
      new Map([
        ['w', f32([4], [1, 2, 3, 4])],
        ['head', f32([2], [5, 6])],
      ]),
    ),
  );
  return newJob(
    {
      model,
      workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 1, ...args } }],
      filters,
    },
    { sites: SITES, evict: true },
  );
};

/** All sites join, then each has its task. */
const tasks = async (job: TestJob): Promise<Task[]> => {
  for (const name of SITES) await job.poll(name);
  const given: Task[] = [];
  for (const name of SITES) given.push(await job.task(name));
  return given;
};

const DIFF = { params_type: 'DIFF' as const, meta: { NUM_STEPS_CURRENT_ROUND: 1 } };
const update = (w: readonly number[], head: readonly number[]): Tensors =>
  new Map([
    ['w', f32([4], w)],
    ['head', f32([2], head)],
  ]);
const at = { tasks: ['train'], on: 'result' as const, at: 'server' as const };

test('results are clipped at the server, tensors excluded, before they are folded', async () => {
  const job = await start(
    [
      { ...at, use: 'exclude-vars', args: { excludeVars: ['head'] } },
      { ...at, use: 'clip', args: { norm: 1 } },
    ],
    { partial: true },
  );
  const given = await tasks(job);
  expect(await job.reply('a', given[0]?.id ?? '', DIFF, update([3, 0, 0, 4], [9, 9]))).toEqual({
    status: 'accepted',
  });
  // Short enough as it is.
  await job.reply('b', given[1]?.id ?? '', DIFF, update([0, 0.5, 0, 0], [9, 9]));
  await job.alarm();
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  const model = await job.model(view.models['global']);
  [1 + 0.3, 2 + 0.25, 3, 4 + 0.4, 5, 6].forEach((x, i) => expect(model[i]).toBeCloseTo(x, 6));
});

test('a quantised result is clipped as what it stands for', async () => {
  const job = await start([{ ...at, use: 'clip', args: { norm: 1 } }]);
  const given = await tasks(job);
  const codec = findCodec('float16');
  if (!codec) throw new Error('no codec');
  const specs = [
    { name: 'w', dtype: 'F32', shape: [4] },
    { name: 'head', dtype: 'F32', shape: [2] },
  ] as const;
  const coded: Tensors = new Map(
    specs.map((spec, i) => {
      const data = i === 0 ? Float32Array.of(3, 0, 0, 0) : Float32Array.of(0, 4);
      return [spec.name, { ...codec.becomes(spec), data: codec.encode(spec, data) }];
    }),
  );
  const body = encode(
    coded,
    new Map([
      ['fl_model', JSON.stringify(DIFF)],
      [QUANTIZATION_KEY, encodeQuantization({ type: 'float16', tensors: specs })],
    ]),
  );
  const headers = {
    'content-type': 'application/x-safetensors',
    'content-length': String(body.length),
  };
  const init = { method: 'PUT', body, headers };
  const answer = await job.fetch(`/tasks/${given[0]?.id}/result`, site('a'), init);
  expect(await answer.json()).toEqual({ status: 'accepted' });
  await job.reply('b', given[1]?.id ?? '', DIFF, update([0, 0, 0, 0], [0, 0]));
  await job.alarm();
  const model = await job.model((await job.view()).models['global']);
  [1 + 0.3, 2, 3, 4, 5, 6 + 0.4].forEach((x, i) => expect(model[i]).toBeCloseTo(x, 3));
});

test('a result that a filter blocks is a reply of TASK_RESULT_FILTER_ERROR, for its site only', async () => {
  const job = await start(
    [{ ...at, sites: ['a'], use: 'dxo-blocker', args: { dataKinds: ['WEIGHT_DIFF'] } }],
    { minResponses: 1 },
  );
  const given = await tasks(job);
  const blocked = await job.reply('a', given[0]?.id ?? '', DIFF, update([1, 1, 1, 1], [1, 1]));
  expect(blocked).toEqual({ status: 'accepted' });
  const { sites } = await job.view();
  expect(sites.find(({ name }) => name === 'a')).toMatchObject({
    returnCode: 'TASK_RESULT_FILTER_ERROR',
  });
  expect(await job.inside((_, sql) => sql.exec('SELECT * FROM uploads').toArray())).toEqual([]);
  await job.reply('b', given[1]?.id ?? '', DIFF, update([1, 1, 1, 1], [1, 1]));
  await job.alarm();
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  expect(sum(await job.model(view.models['global']))).toBe(21 + 6);
});

test('a result without tensors goes through the filters too', async () => {
  const args = { dataKinds: ['METRICS'] };
  const job = await newJob(
    {
      workflows: [{ id: 'cross', use: 'cross-site-eval' }],
      filters: [{ ...at, tasks: ['validate'], sites: ['a'], use: 'dxo-blocker', args }],
    },
    { sites: SITES, evict: true },
  );
  const submit = await tasks(job);
  for (const [i, name] of SITES.entries()) {
    await job.reply(name, submit[i]?.id ?? '', { return_code: 'EMPTY_RESULT' });
  }
  await job.alarm();
  for (const name of SITES) {
    const { id, name: what } = await job.task(name);
    expect(what).toBe('validate');
    const answer = await job.reply(name, id, { metrics: { accuracy: 1 } });
    expect(answer).toEqual({ status: 'accepted' });
  }
  const rows = await job.inside((_, sql) =>
    sql.exec(`SELECT site, code FROM replies WHERE task > 1 ORDER BY site`).toArray(),
  );
  expect(rows).toEqual([
    { site: 'a', code: 'TASK_RESULT_FILTER_ERROR' },
    { site: 'b', code: 'OK' },
  ]);
});

test('a model of more than a slice is filtered over several turns, and the job goes on by itself', async () => {
  const large = 17 * 2 ** 20;
  const model = await uploadBlob(encode(new Map([['w', f32([large], new Float32Array(large))]])));
  const filters = [
    { tasks: ['train'], on: 'data' as const, at: 'server' as const, use: 'model-quantizer' },
  ];
  const job = await newJob({ model, filters: [...filters] }, { sites: SITES, evict: true });
  await job.poll('a');
  expect(await job.poll('b')).toMatchObject({ status: 'try-again' });
  expect((await job.view()).status).toBe('RUNNING');
  expect(await job.inside((_, sql) => sql.exec('SELECT n FROM tasks').toArray())).toEqual([]);
  const due = await job.inside((storage) => storage.getAlarm());
  expect(due).toBeLessThan(Date.now() + 1000);
  await job.alarm();
  expect((await job.task('a')).model?.bytes).toBeLessThan(2 * large + 1000);
}, 30_000);

test('task data is quantised at the server: all sites get one model, which is gone once it is no longer needed', async () => {
  const filters = [
    { tasks: ['train'], on: 'data' as const, at: 'server' as const, use: 'model-quantizer' },
  ];
  const job = await start([...filters]);
  const before = (await job.view()).models['global']?.digest;
  const given = await tasks(job);
  const [digest] = given.map(({ model }) => model?.digest);
  expect(given.map(({ model }) => model?.digest)).toEqual([digest, digest]);
  expect(digest).not.toBe(before);
  // A site may read it, and what is in it is half as large.
  const answer = await job.fetch(`/blobs/${digest}`, site('a'));
  const file = decode(new Uint8Array(await answer.arrayBuffer()));
  if (!file.ok) throw new Error(file.error.reason);
  expect(file.value.tensors.get('w')).toMatchObject({ dtype: 'F16', shape: [4] });
  expect(JSON.parse(file.value.metadata.get('quantization') ?? '')).toEqual({
    type: 'float16',
    tensors: [
      ['w', 'F32', [4]],
      ['head', 'F32', [2]],
    ],
  });
  for (const [i, name] of SITES.entries()) {
    await job.reply(name, given[i]?.id ?? '', DIFF, update([1, 1, 1, 1], [1, 1]));
  }
  await job.alarm();
  const view = await job.view();
  expect(view.status).toBe('FINISHED:COMPLETED');
  // The fold is of the model as the server has it.
  expect(sum(await job.model(view.models['global']))).toBe(21 + 6);
  const retired = await job.inside((_, sql) =>
    sql.exec('SELECT delete_at FROM models WHERE digest = ?', digest).toArray(),
  );
  expect(retired).toEqual([{ delete_at: expect.any(Number) }]);
  expect(await job.inside((_, sql) => sql.exec('SELECT * FROM filtered_models').toArray())).toEqual(
    [],
  );
});

test('task data that a filter blocks ends the job, with the reason', async () => {
  const job = await start([
    {
      tasks: ['*'],
      on: 'data',
      at: 'server',
      use: 'dxo-blocker',
      args: { dataKinds: ['WEIGHTS'] },
    },
  ]);
  for (const name of SITES) await job.poll(name);
  const view = await job.call((stub) => stub.view(admin));
  expect(view.status).toBe('FINISHED:EXECUTION_EXCEPTION');
  expect(view.reason).toBe('train: TASK_DATA_FILTER_ERROR: dxo-blocker: WEIGHTS may not pass');
});

test('what a filter makes finds no room: the result is refused for now, and nothing of it is left', async () => {
  const room = newRoom({ capacity: 200 });
  await room.use(async (now) => {
    const { results, models } = now;
    const base = await importTensors(now, update([1, 1, 1, 1], [1, 1]));
    const spec = {
      filters: [{ ...at, sites: ['@all'], use: 'clip', args: { norm: 1 } }],
      programs: {},
    };
    const record = { spec: () => spec } as unknown as JobRecord;
    const filter = new ResultFilter({ record, results, models });
    const key = { task: 't', site: 'a', name: 'train' };
    const pass = async (file: Uint8Array<ArrayBuffer>) => {
      const came = await results.receive(put(file), key, ruleFor(base));
      if (!came.ok || came.value.kind !== 'staged') throw new Error(JSON.stringify(came));
      return filter.pass(key, ruleFor(base), came.value);
    };
    const file = resultFile(update([3, 0, 0, 4], [0, 0]), DIFF);
    expect(await pass(file)).toMatchObject({
      ok: true,
      value: { header: { params_type: 'DIFF' } },
    });
    // The model and its header, one filtered result: there is room for one more upload, and not for what is made of it.
    expect(await pass(file)).toMatchObject({ ok: false, error: { reason: 'storage-full' } });
    expect(now.storage.sql.exec('SELECT * FROM uploads').toArray()).toHaveLength(1);
  });
});
