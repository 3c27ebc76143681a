// The kit as a stranger has it: the tarball, in a project that was empty, with the programs of its README.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { mlp, readModel } from '../../core/onnx/index.ts';
import type { AnalyticsRecord } from '../../core/protocol/analytics.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import type { CrossSiteTable } from '../../core/workflows/cross-site-eval.ts';
import { Api } from '../http/api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { everyReply, finished, repliesOf, submitDigits } from './digits-job.ts';
import { type Running, Stranger } from './stranger.ts';

/** A project for Node alone: what the types need of a browser must not reach it. */
const NODE = { lib: ['es2023'], module: 'nodenext', types: ['node'] };
const PAGE = {
  lib: ['es2023', 'dom', 'dom.iterable'],
  module: 'esnext',
  moduleResolution: 'bundler',
  types: ['vite/client', 'onnxruntime-web'],
  noEmit: true,
};
const PROGRAMS = ['site.ts', 'own-training.ts'];
/** ONNX Runtime's own types speak of the DOM. */
const WITH_ORT = { ...NODE, lib: ['es2023', 'dom'] };

let server: Server;
let api: Api;
let stranger: Stranger;
let complaints: string;
beforeAll(async () => {
  [stranger, server] = await Promise.all([Stranger.make(), startServer()]);
  api = new Api(server);
  complaints = await stranger.check(PROGRAMS, NODE);
});
afterAll(async () => {
  await server.stop();
  await stranger.remove();
});

/** Starts a program as a new site with 700 digits of its own. */
const startSite = async (program: string, name: string, from: number): Promise<Running> => {
  await stranger.digits(name, from, from + 700);
  const enrolment = await api.enrolment({ uses: 1 });
  const env = { SERVER: server.url, NAME: name, ENROLMENT: enrolment };
  const site = stranger.start(program, name, env);
  onTestFinished(() => site.stop('SIGKILL'));
  return site;
};

test('its programs type-check under nodenext and without DOM, its page under bundler', async () => {
  expect(complaints).toBe('');
  expect(await stranger.check(['page.ts'], PAGE)).toBe('');
});

test('a program that is wrong does not type-check', async () => {
  const wrong = `import { runSite } from '@tributary/client-kit/node';
await runSite({ server: 1, dataDir: '.' });`;
  await stranger.write('wrong.ts', wrong);
  for (const options of [{ ...NODE, noEmit: true }, PAGE]) {
    expect(await stranger.check(['wrong.ts'], options)).toMatch(/^wrong\.ts\(2,17\): error TS2322/);
  }
});

test('two sites train a job on digits, end to end', async () => {
  const job = await submitDigits(api, { sites: 2, rounds: 3 });
  const sites = [await startSite('site.js', 'alpha', 0), await startSite('site.js', 'beta', 700)];
  const view = await finished(api, job);
  expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
  expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 3 }, ['alpha', 'beta']));

  const table = view.results['cross-site'] as CrossSiteTable;
  for (const name of ['alpha', 'beta']) {
    const { global, alpha, beta } = table[name] ?? {};
    if (!global || !('metrics' in global)) throw new Error(JSON.stringify(table));
    expect(global.examples).toBe(70);
    expect(global.metrics['accuracy']).toBeGreaterThan(0.75);
    // Their own models are their own.
    expect(alpha).not.toEqual(beta);
  }
  for (const site of sites) {
    await expect.poll(site.said, { timeout: 30_000 }).toContain('FINISHED:COMPLETED');
    site.stop('SIGTERM');
    expect(await site.ended, site.said()).toBe(0);
  }
});

test('a loop of one’s own trains with the Client API', async () => {
  const zeros = (shape: number[]) =>
    ({ dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }) as const;
  const tensors = [
    ['w', zeros([10, 784])],
    ['b', zeros([10])],
  ] as const;
  const job = await api.submit({
    name: 'softmax regression',
    model: await api.blob(encode(new Map(tensors))),
    workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 2, selection: 'none' } }],
    executors: [{ tasks: ['train'], use: 'app', args: { lr: 0.02, transferType: 'DIFF' } }],
  });
  const site = await startSite('own-training.js', 'gamma', 1400);
  expect(await site.ended, site.said()).toBe(0);
  expect(site.said()).toBe('accepted\naccepted\n');
  const view = await finished(api, job);
  expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');

  const log = await api.json<{ metrics: AnalyticsRecord[] }>(`/v1/jobs/${job}/metrics`, 200);
  const accuracy = log.metrics.map(({ key, step, value }) => ({ key, step, value: Number(value) }));
  expect(accuracy).toMatchObject([
    { key: 'accuracy', step: 0 },
    { key: 'accuracy', step: 1 },
  ]);
  // Begun from nothing; the second round begins with what the first has learnt.
  expect(accuracy[0]?.value).toBeGreaterThan(0.6);
  expect(accuracy[1]?.value).toBeGreaterThan((accuracy[0]?.value ?? 1) + 0.05);
});

test('a model is trained with no server at all', async () => {
  expect(await stranger.check(['alone.ts'], WITH_ORT)).toBe('');
  const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
  const net = mlp({ inputs: [1, 28, 28], classes: 10, hidden: [32], rng });
  await stranger.digits('alone', 0, 700);
  await stranger.write('alone/net.onnx', net);
  const alone = stranger.start('alone.js', 'alone', {});
  onTestFinished(() => alone.stop('SIGKILL'));
  expect(await alone.ended, alone.said()).toBe(0);
  expect(Number(/^accuracy ([\d.]+)$/m.exec(alone.said())?.[1])).toBeGreaterThan(0.8);
  const trained = readModel(
    new Uint8Array(await readFile(join(stranger.dir, 'alone/trained.onnx'))),
  );
  expect(trained.ok && trained.value.initializers.size).toBe(4);
});

const LONG = process.env['TRIBUTARY_LONG'] === '1';
test.skipIf(!LONG)(
  `with ONNX Runtime from the registry${LONG ? '' : ' (long: TRIBUTARY_LONG=1)'}`,
  async () => {
    const other = await Stranger.make('registry');
    onTestFinished(() => other.remove());
    expect(await other.check(PROGRAMS, NODE)).toBe('');
    await other.digits('delta', 2100, 2800);
    const job = await submitDigits(api, { sites: 1, rounds: 1 });
    const enrolment = await api.enrolment({ uses: 1 });
    const env = { SERVER: server.url, NAME: 'delta', ENROLMENT: enrolment };
    const site = other.start('site.js', 'delta', env);
    onTestFinished(() => site.stop('SIGKILL'));
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 1 }, ['delta']));
    site.stop('SIGTERM');
    expect(await site.ended, site.said()).toBe(0);
  },
);
