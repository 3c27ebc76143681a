// One device as a process of its own: enrols and serves jobs with the kit, until it is killed.
// argv: a JSON SiteJob. Prints a line per moment, and notes every acknowledgement before going on.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppTask } from '../../client-kit/src/executors/app.ts';
import type { FLModel } from '../../client-kit/src/fl-model.ts';
import { FileStore } from '../../client-kit/src/runtimes/node/file-store.ts';
import { runSite } from '../../client-kit/src/site.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { lineOf } from './ledger.ts';
import { millisecondsOf, stepsOf, train } from './training.ts';
import type { SiteJob } from './site-job.ts';

const job = JSON.parse(process.argv[2] ?? '') as SiteJob;

// The campaign holds the other end: when it dies, so does this.
process.stdin.on('end', () => process.exit(1)).resume();

const say = (moment: string): void => void process.stdout.write(`${moment}\n`);

const RESULT = /\/v1\/jobs\/([^/]+)\/tasks\/([^/]+)\/result$/;

/** `fetch` that keeps the books: an acknowledgement is on disk before the kit learns of it. */
async function bookkeeping(url: string, init: RequestInit): Promise<Response> {
  const [, of, task] = RESULT.exec(new URL(url).pathname) ?? [];
  if (!of || !task) {
    if (new URL(url).pathname === '/v1/sites') say('enrol');
    return fetch(url, init);
  }
  say('upload');
  const answer = await fetch(url, init);
  const { status } = (await answer.clone().json()) as { status: string };
  if (answer.status === 200) {
    appendFileSync(job.ledger, lineOf({ job: of, task, site: job.name, status }));
    say('acknowledged');
  }
  return answer;
}

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
  say('task');
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

await runSite({
  server: job.server,
  name: job.name,
  enrolment: job.enrolment,
  store: new FileStore(job.dir),
  app: work,
  fetch: bookkeeping,
});
