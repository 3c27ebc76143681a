import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import type { FakeTask } from '../../tests/fake-server.ts';
import { Client } from '../client.ts';
import type { SiteEvent } from '../event.ts';
import { patch } from './tfjs.ts';

/** A model with weights that aren't trained, too. The layers' names make its weights' names. */
const made = (): layers.LayersModel => {
  const model = layers.sequential({
    layers: [
      layers.layers.dense({ name: 'hidden', units: 5, activation: 'relu', inputShape: [3] }),
      layers.layers.batchNormalization({ name: 'norm' }),
      layers.layers.dense({ name: 'out', units: 2, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  return model;
};

const x = tf.tensor2d(
  Array.from({ length: 60 }, (_, i) => Math.sin(i * 7)),
  [20, 3],
);
const y = tf.tensor1d(Array.from({ length: 20 }, (_, i) => i % 2));
const HOW = { epochs: 2, batchSize: 8, shuffle: false };

const weightsOf = async (model: layers.LayersModel): Promise<Tensors> => {
  const weights: Tensors = new Map();
  for (const variable of model.weights) {
    const value = variable.read();
    const data = (await value.data()) as Float32Array;
    weights.set(variable.originalName, { dtype: 'F32', shape: value.shape, data: data.slice() });
  }
  return weights;
};

const serving = async (tasks: FakeTask[], events: SiteEvent[] = []) => {
  const server = new FakeServer();
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, tasks).ended = true;
  const client = await Client.init({
    server: server.url,
    fetch: server.fetch,
    name: 'a',
    enrolment: 'ticket',
    onEvent: (event) => events.push(event),
  });
  return { server, client };
};

test('fit begins with the task’s model and sends what TensorFlow.js by itself makes of it; evaluate judges what came', async () => {
  const start = made();
  const sent = await weightsOf(start);
  const [loss, accuracy] = (start.evaluate(x, y, { batchSize: 20 }) as tf.Scalar[]).map(
    (each) => each.dataSync()[0] as number,
  );
  await start.fit(x, y, HOW);
  const expected = await weightsOf(start);

  const events: SiteEvent[] = [];
  const { server, client } = await serving(
    [
      { id: 't', name: 'train', model: encode(sent) },
      { id: 'v', name: 'validate', data: { owner: 'global' }, model: encode(sent) },
      { id: 's', name: 'submit_model', data: { name: 'last' } },
    ],
    events,
  );
  const model = patch(made(), client);
  const histories: number[] = [];
  while (await client.isRunning()) {
    model.evaluate(x, y, { batchSize: 20 });
    histories.push((await model.fit(x, y, HOW)).epoch.length);
  }
  const result = server.tensorsOf('t');
  expect(result.tensors).toEqual(expected);
  expect(result.header).toMatchObject({
    params_type: 'FULL',
    meta: { NUM_STEPS_CURRENT_ROUND: 6 },
    metrics: {
      loss: { sum: (loss ?? 0) * 20, count: 20 },
      acc: { sum: (accuracy ?? 0) * 20, count: 20 },
    },
  });
  expect(server.tensorsOf('v').header['metrics']).toEqual(result.header['metrics']);
  expect(server.tensorsOf('v').tensors.size).toBe(0);
  expect(server.tensorsOf('s').tensors).toEqual(expected);
  expect(histories).toEqual([2, 0, 0]);
  const steps = events.flatMap((event) =>
    event.type === 'step' ? [[event.step, event.steps]] : [],
  );
  expect(steps).toEqual([1, 2, 3, 4, 5, 6].map((step) => [step, 6]));
});

test('callbacks of one’s own are called too, plain ones and TensorFlow.js’s', async () => {
  const sent = encode(await weightsOf(made()));
  const { client } = await serving([
    { id: 'a', name: 'train', model: sent },
    { id: 'b', name: 'train', round: 1, model: sent },
  ]);
  const model = patch(made(), client);
  const ends: string[] = [];
  await client.receive();
  await model.fit(x, y, {
    ...HOW,
    callbacks: { onEpochEnd: (epoch) => void ends.push(`plain ${epoch}`) },
  });
  await client.receive();
  const own = new layers.CustomCallback({ onBatchEnd: (batch) => void ends.push(`own ${batch}`) });
  await model.fit(x, y, { ...HOW, epochs: 1, callbacks: own });
  expect(ends).toEqual(['plain 0', 'plain 1', 'own 0', 'own 1', 'own 2']);
});

test('a model that isn’t this one is named by what differs', async () => {
  const wrong: Tensors = new Map(await weightsOf(made()));
  wrong.set('out/kernel', { dtype: 'F32', shape: [5, 3], data: new Float32Array(15) });
  const { client } = await serving([{ id: 't', name: 'train', model: encode(wrong) }]);
  const model = patch(made(), client);
  await client.receive();
  await expect(model.fit(x, y, HOW)).rejects.toThrow(
    "weight 'out/kernel': expected F32 [5,2], got F32 [5,3]",
  );
  await client.shutdown();
});

test('an abort ends fit between batches', async () => {
  const sent = encode(await weightsOf(made()));
  const { server, client } = await serving([{ id: 't', name: 'train', model: sent, leaseS: 0.03 }]);
  const model = patch(made(), client);
  await client.receive();
  server.jobs.get('j')?.closed.add('t');
  const history = await model.fit(x, y, { ...HOW, epochs: 100_000 });
  expect(history.epoch.length).toBeLessThan(100_000);
  expect(server.results.size).toBe(0);
});
