import { expect, test } from 'vitest';
import { encode } from '../../core/tensors/safetensors.ts';
import { FakeServer } from '../tests/fake-server.ts';
import { numbers } from '../tests/serve.ts';
import { Client } from './client.ts';
import { wrappersOf } from './decorators.ts';
import type { FLModel } from './fl-model.ts';

const clientFor = async (...names: string[]) => {
  const server = new FakeServer();
  const tasks = names.map((name, round) => ({
    id: `${name}-${round}`,
    name,
    round,
    model: encode(numbers(round, 10)),
  }));
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, tasks).ended = true;
  const options = { server: server.url, fetch: server.fetch, name: 'a', enrolment: 'ticket' };
  return { server, client: await Client.init(options) };
};

test('what evaluate finds rides on what train makes, once; by itself it is the answer', async () => {
  const { server, client } = await clientFor('train', 'train', 'validate');
  const { train, evaluate } = wrappersOf(client);
  const judge = evaluate(({ params }: FLModel) => ({ first: Number(params?.get('w')?.data[0]) }));
  const learn = train((_model: FLModel, by: number) => ({ params: numbers(by, by) }));
  await client.isRunning();
  expect(await judge()).toEqual({ first: 0 });
  await learn(undefined, 5);
  await client.isRunning();
  await learn({ params: numbers(99) }, 6);
  await client.isRunning();
  await judge();
  expect(server.tensorsOf('train-0')).toMatchObject({
    tensors: numbers(5, 5),
    header: { metrics: { first: 0 } },
  });
  expect(server.tensorsOf('train-1').tensors).toEqual(numbers(6, 6));
  expect(server.tensorsOf('train-1').header['metrics']).toBeUndefined();
  expect(server.tensorsOf('validate-2').header).toMatchObject({ metrics: { first: 2 } });
});

test('methods keep their this; what isn’t an FLModel, or no metrics, is the caller’s mistake', async () => {
  const { server, client } = await clientFor('train');
  const { train, evaluate } = wrappersOf(client);
  const local = {
    step: 3,
    learn: train(function (this: { step: number }, { params }: FLModel) {
      const [first, second] = Array.from(params?.get('w')?.data ?? [], Number);
      return { params: numbers((first ?? 0) + this.step, (second ?? 0) + this.step) };
    }),
  };
  await client.receive();
  await expect(train(() => undefined as never)()).rejects.toThrow('must return an FLModel');
  await expect(evaluate(() => 0.5 as never)()).rejects.toThrow('must return metrics');
  await expect(train(() => ({ paramsType: 'DIFF' as const }))()).rejects.toThrow('without params');
  await local.learn();
  expect(server.tensorsOf('train-0').tensors).toEqual(numbers(3, 13));
  expect(await client.isRunning()).toBe(false);
  await expect(local.learn()).rejects.toThrow('the job has ended');
});
