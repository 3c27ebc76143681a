// The examples as a reader has them: from the packed kit, built, in real jobs on a real server.
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { JobView } from '../../core/protocol/job-status.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { Api, digestOf } from '../http/api.ts';
import { finished } from './digits-job.ts';
import { filesOf } from './documents.ts';
import { type Running, Stranger } from './stranger.ts';

const OPTIONS = {
  lib: ['es2023'],
  module: 'nodenext',
  types: ['node'],
  rewriteRelativeImportExtensions: true,
};
/** The same softmax regression, in every way to bring one's code. */
const WAYS = [
  'client-api/site',
  'decorators/wrapped',
  'decorators/site',
  'model-learner/site',
  'executor/site',
  'worker/site',
];

let server: Server;
let api: Api;
let stranger: Stranger;
let complaints: string;
beforeAll(async () => {
  [stranger, server] = await Promise.all([Stranger.make(), startServer()]);
  api = new Api(server);
  await cp(join(ROOT, 'examples'), join(stranger.dir, 'examples'), { recursive: true });
  await tensorflow();
  const named = (names: readonly string[]) => names.map((name) => `examples/${name}.ts`);
  const more = ['softmax/submit', 'worker/train', 'histogram/site'];
  complaints = await stranger.check(named([...more, ...WAYS]), OPTIONS);
  // TensorFlow.js's own types take a browser for granted, and don't hold when they are checked.
  const loose = { ...OPTIONS, lib: ['es2023', 'dom'], skipLibCheck: true };
  complaints += await stranger.check(named(['tfjs/before', 'tfjs/site']), loose);
});
afterAll(async () => {
  await server.stop();
  await stranger.remove();
});

/** `@tensorflow/tfjs` is these parts, and others that a script in Node doesn't need. */
const tensorflow = async (): Promise<void> => {
  const scope = join(stranger.dir, 'node_modules/@tensorflow');
  const parts = ['tfjs-core', 'tfjs-layers', 'tfjs-backend-cpu'];
  await mkdir(scope, { recursive: true });
  for (const name of parts) {
    await symlink(join(ROOT, 'node_modules/@tensorflow', name), join(scope, name));
  }
  const code = `export * from '@tensorflow/tfjs-core';
export * from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';\n`;
  const manifest = '{ "name": "@tensorflow/tfjs", "type": "module", "exports": "./index.js" }';
  await stranger.write('node_modules/@tensorflow/tfjs/package.json', manifest);
  for (const name of ['index.js', 'index.d.ts']) {
    await stranger.write(`node_modules/@tensorflow/tfjs/${name}`, code);
  }
};

/** Starts an example as a site that is new. */
const startSite = async (way: string, NAME: string): Promise<Running> => {
  const ENROLMENT = await api.enrolment({ uses: 1 });
  const env = { SERVER: server.url, NAME, ENROLMENT };
  const running = stranger.start(`examples/${way}.js`, '.', env);
  onTestFinished(() => running.stop('SIGKILL'));
  return running;
};

/** Its global model, once a job has been done and its sites have gone. */
const modelOf = async (
  job: string,
  sites: readonly Running[],
): Promise<Uint8Array<ArrayBuffer>> => {
  const view = await finished(api, job);
  for (const site of sites) expect(await site.ended, site.said()).toBe(0);
  expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
  const model = await api.call(`/v1/jobs/${job}/models/global`);
  return new Uint8Array(await model.arrayBuffer());
};

/** Runs an example's job at two sites, and gives what became of it. Their names, which their data depend on, are free again. */
const learn = async (way: string, names = ['north', 'south']) => {
  const submit = stranger.start('examples/softmax/submit.js', '.', {
    SERVER: server.url,
    ADMIN_TOKEN: ADMIN,
  });
  expect(await submit.ended, submit.said()).toBe(0);
  const job = submit.said().trim();
  const sites = [];
  for (const name of names) sites.push(await startSite(way, name));
  const model = await modelOf(job, sites);
  for (const name of names) await api.json(`/v1/sites/${name}`, 200, { method: 'DELETE' });
  const { metrics } = await api.json<JobView>(`/v1/jobs/${job}`, 200);
  return { digest: digestOf(model), metrics };
};

/** A job of FedAvg over one model, for two sites. */
const average = async (name: string, tensors: Tensors, args: object): Promise<string> => {
  const model = await api.blob(encode(tensors));
  const workflows = [{ id: 'main', use: 'fed-avg', args: { selection: 'none', ...args } }];
  const executors = [{ tasks: ['*'], use: 'app' }];
  return api.submit({ name, minSites: 2, model, workflows, executors });
};

const zeros = (...shape: number[]) =>
  ({ dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }) as const;

test('they type-check under nodenext and without DOM', () => {
  expect(complaints).toBe('');
});

test('one softmax regression, written in every way: the same model, to the byte', async () => {
  const learnt = [];
  for (const way of WAYS) learnt.push({ way, ...(await learn(way)) });
  const [first] = learnt;
  expect(learnt).toEqual(WAYS.map((way) => ({ ...first, way })));
  const other = await learn('client-api/site', ['north', 'west']);
  expect(other.digest).not.toBe(first?.digest);
  expect(first?.metrics).toMatchObject({ accuracy: expect.toSatisfy((value) => value > 0.7) });
});

test('a TensorFlow.js script, in a federation by five more lines', async () => {
  const before = await readFile(join(ROOT, 'examples/tfjs/before.ts'), 'utf8');
  const after = await readFile(join(ROOT, 'examples/tfjs/site.ts'), 'utf8');
  expect(after.split('\n').length - before.split('\n').length).toBe(5);
  const start: Tensors = new Map([
    ['out/kernel', zeros(4, 3)],
    ['out/bias', zeros(3)],
  ]);
  const job = await average('tfjs', start, { rounds: 3 });
  const sites = [await startSite('tfjs/site', 'tf-1'), await startSite('tfjs/site', 'tf-2')];
  const model = decode(await modelOf(job, sites));
  const kernel = model.ok && model.value.tensors.get('out/kernel');
  // Class k has its k-th number larger than the others.
  const at = (row: number, column: number) => Number(kernel && kernel.data[row * 3 + column]);
  for (const k of [0, 1, 2]) expect(at(k, k)).toBeGreaterThan(at((k + 1) % 3, k));
});

test('a federated histogram: the sum of what the sites counted', async () => {
  const start: Tensors = new Map([['counts', zeros(10)]]);
  const job = await average('ages', start, { rounds: 1, weightBy: 'uniform' });
  const names = ['east', 'southwest'];
  const sites = [];
  for (const name of names) sites.push(await startSite('histogram/site', name));
  const model = decode(await modelOf(job, sites));
  const mean = Array.from((model.ok && model.value.tensors.get('counts')?.data) || [], Number);
  const expected = Array.from({ length: 10 }, () => 0);
  for (const { length } of names) {
    for (let i = 0; i < 50; i++) {
      const decade = Math.floor(((length * 13 + i * i * 7) % 100) / 10);
      expected[decade] = (expected[decade] ?? 0) + 1;
    }
  }
  expect(mean.map((count) => count * 2)).toEqual(expected);
});

test('the code in docs/execution-apis.md is that of the examples', async () => {
  const blocks = await filesOf('docs/execution-apis.md');
  const named = [...blocks].filter(([name]) => name.startsWith('examples/'));
  expect(named.length).toBeGreaterThan(4);
  for (const [name, text] of named) {
    const [, ...lines] = text.split('\n');
    expect(lines.join('\n'), name).toBe(await readFile(join(ROOT, name), 'utf8'));
  }
});
