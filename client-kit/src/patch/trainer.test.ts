import * as ort from 'onnxruntime-web';
import { beforeAll, expect, test } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import { digits, programsFor } from '../../tests/digits.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import { Client } from '../client.ts';
import type { SiteEvent } from '../event.ts';
import { Trainer } from '../trainers/onnx/trainer.ts';
import { patch } from './trainer.ts';

const parts = programsFor('mlp', 0.9);
const dataset = digits('train', 0, 100);
const OPTIONS = { dataset, batchSize: 32, lr: 0.05, seed: 3 };
const trainer = (): Promise<Trainer> => Trainer.load(ort, parts, { device: 'wasm' });

beforeAll(() => {
  ort.env.wasm.numThreads = 1;
});

test('a patched Trainer gives what one by itself makes of the model, each round anew', async () => {
  const alone = await trainer();
  const { sums } = await alone.evaluate(dataset);
  const { params } = await alone.train(OPTIONS);
  await alone.release();

  const model = encode(parts.parameters);
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
    { id: 'a', name: 'train', model },
    { id: 'b', name: 'train', round: 1, model },
    { id: 'v', name: 'validate', data: { owner: 'global' }, model },
    { id: 's', name: 'submit_model', data: { name: 'last' } },
  ]).ended = true;
  const events: SiteEvent[] = [];
  const client = await Client.init({
    server: server.url,
    fetch: server.fetch,
    name: 'a',
    enrolment: 'ticket',
    onEvent: (event) => events.push(event),
  });
  const federated = patch(await trainer(), client);
  while (await client.isRunning()) {
    await federated.evaluate(dataset);
    await federated.train(OPTIONS);
  }
  await federated.release();
  for (const task of ['a', 'b', 's']) expect(server.tensorsOf(task).tensors).toEqual(params);
  expect(server.tensorsOf('b').header).toMatchObject({
    metrics: sums,
    meta: { NUM_STEPS_CURRENT_ROUND: 4 },
  });
  expect(server.tensorsOf('v').header['metrics']).toEqual(sums);
  expect(events.filter(({ type }) => type === 'step')).toHaveLength(8);
});
