// A site whose training is a formula: as fast as the protocol, and its result is known beforehand.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppTask } from '../../client-kit/src/executors/app.ts';
import type { FLModel } from '../../client-kit/src/fl-model.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { serveSite, siteJob } from './serve-site.ts';
import { millisecondsOf, stepsOf, train } from './training.ts';

const job = siteJob();

const meanOf = (params: Tensors): number => {
  let sum = 0;
  let count = 0;
  for (const { data } of params.values()) {
    for (const value of data as Float32Array) sum += value;
    count += data.length;
  }
  return sum / count;
};

async function work({ task, spec, params, resources }: AppTask): Promise<FLModel> {
  if (task.name === 'submit_model') {
    const own = await resources.store.read('trained');
    const file = own && decode(new Uint8Array(await own.arrayBuffer()));
    if (!file?.ok) throw new Error('nothing trained yet');
    return { paramsType: 'FULL', params: file.value.tensors };
  }
  if (!params) throw new Error('no model');
  const metrics = { mean: meanOf(params) };
  if (task.name === 'validate') return { metrics };
  const key = { seed: spec.seed, site: job.name, round: task.round };
  await sleep(millisecondsOf(key));
  const trained: Tensors = new Map();
  for (const [name, tensor] of params) {
    trained.set(name, { ...tensor, data: train(tensor.data as Float32Array, name, key) });
  }
  await resources.store.write('trained', [encode(trained)]);
  return {
    paramsType: 'FULL',
    params: trained,
    metrics,
    meta: { NUM_STEPS_CURRENT_ROUND: stepsOf(key) },
  };
}

await serveSite(job, { app: work });
