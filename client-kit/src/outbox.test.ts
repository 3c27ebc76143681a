import { expect, test } from 'vitest';
import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { FakeServer, problem } from '../tests/fake-server.ts';
import { Connection } from './connection.ts';
import { encodeResult } from './fl-model.ts';
import type { FLModel } from './fl-model.ts';
import { Outbox } from './outbox.ts';
import { MemoryStore } from './store.ts';

const numbers = (...data: number[]): Tensors =>
  new Map([['w', { dtype: 'F32', shape: [data.length], data: Float32Array.from(data) }]]);
const MODEL = encode(numbers(1, 2));
const META = { NUM_STEPS_CURRENT_ROUND: 5 };

const start = () => {
  const server = new FakeServer();
  server.addJob('j', {}, [{ id: 't', name: 'train', model: MODEL }]);
  const digest = server.addBlob(MODEL);
  const base = { digest, bytes: MODEL.length, url: `/v1/jobs/j/blobs/${digest}` };
  const store = new MemoryStore();
  const outbox = new Outbox(store);
  const connection = new Connection({
    server: server.url,
    token: 'token-of-a',
    fetch: server.fetch,
    pause: () => Promise.resolve(),
  });
  const put = (model: FLModel, convertible = true) =>
    outbox.put({
      job: 'j',
      task: 't',
      url: '/v1/jobs/j/tasks/t/result',
      result: encodeResult(model),
      ...(convertible && { base }),
    });
  return { server, store, outbox, put, deliver: () => outbox.deliver('j', 't', connection) };
};
type Started = ReturnType<typeof start>;

const refuse = ({ server }: Started, status: number, code: string, times = 1): void =>
  server.trouble('PUT', /result/, () => problem(status, code), times);
const valuesAt = (server: FakeServer): number[] => [
  ...((server.tensorsOf('t').tensors.get('w')?.data ?? []) as Float32Array),
];
const FULL: FLModel = { params: numbers(3, 5), paramsType: 'FULL', meta: META };

test.for([400, 413, 415, 405])('a good result outlives a %i', async (status) => {
  const site = start();
  await site.put(FULL);
  refuse(site, status, 'WHATEVER', 3);
  expect(await site.deliver()).toMatchObject({ status: 'accepted', returnCode: 'OK' });
  expect(valuesAt(site.server)).toEqual([3, 5]);
});

test.for(['DIGEST_MISMATCH', 'TRUNCATED'])(
  '%s: once more, and then it is given up',
  async (code) => {
    const once = start();
    await once.put(FULL);
    refuse(once, 422, code);
    expect(await once.deliver()).toMatchObject({ status: 'accepted', returnCode: 'OK' });
    expect(valuesAt(once.server)).toEqual([3, 5]);
    const twice = start();
    await twice.put(FULL);
    refuse(twice, 422, code, 2);
    expect(await twice.deliver()).toMatchObject({
      status: 'accepted',
      returnCode: 'EXECUTION_RESULT_ERROR',
      problem: { code },
    });
    expect(twice.server.tensorsOf('t').header['return_code']).toBe('EXECUTION_RESULT_ERROR');
  },
);

test.for<['FULL' | 'DIFF', 'FULL' | 'DIFF', string, number[]]>([
  ['FULL', 'DIFF', 'MIXED_PARAMS_TYPE', [2, 3]],
  ['DIFF', 'FULL', 'MIXED_PARAMS_TYPE', [4, 7]],
  ['FULL', 'DIFF', 'WRONG_PARAMS_TYPE', [2, 3]],
])(
  'under ANY, %s becomes %s on %s, against the model received',
  async ([from, to, code, values]) => {
    const site = start();
    await site.put({ ...FULL, paramsType: from });
    refuse(site, 422, code);
    const delivery = await site.deliver();
    expect(delivery).toMatchObject({ status: 'accepted', returnCode: 'OK' });
    expect(delivery.problem).toBeUndefined();
    expect(valuesAt(site.server)).toEqual(values);
    expect(site.server.tensorsOf('t').header).toMatchObject({ params_type: to, meta: META });
    expect(await site.store.list('outbox/')).toEqual([]);
  },
);

test('a result is converted once: refused again, it comes to nothing', async () => {
  const site = start();
  await site.put(FULL);
  refuse(site, 422, 'MIXED_PARAMS_TYPE', 2);
  expect(await site.deliver()).toMatchObject({ returnCode: 'EXECUTION_RESULT_ERROR' });
});

test('without the model it was made from, or where that is gone, it comes to nothing', async () => {
  const fixed = start();
  await fixed.put(FULL, false);
  refuse(fixed, 422, 'MIXED_PARAMS_TYPE');
  expect(await fixed.deliver()).toMatchObject({ returnCode: 'EXECUTION_RESULT_ERROR' });
  const gone = start();
  await gone.put(FULL);
  gone.server.blobs.clear();
  refuse(gone, 422, 'MIXED_PARAMS_TYPE');
  expect(await gone.deliver()).toMatchObject({ returnCode: 'EXECUTION_RESULT_ERROR' });
});

test('a result that is delivered while it is looked for does not wait any more', async () => {
  const { store, outbox, put, deliver } = start();
  await put(FULL);
  let read = (): void => undefined;
  const slowly = new Promise<void>((resolve) => (read = resolve));
  const blobOf = store.read.bind(store);
  store.read = async (key) => {
    const blob = await blobOf(key);
    await slowly;
    return blob;
  };
  const looked = outbox.state('j', 't');
  store.read = blobOf;
  await deliver();
  read();
  expect(await looked).toBe('answered');
});
