// The examples as a reader has them: from the packed kit, built, in real jobs on a real server.
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { Api, digestOf } from '../http/api.ts';
import { finished } from './digits-job.ts';
import { filesOf } from './documents.ts';
import { Stranger } from './stranger.ts';

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
  const files = ['softmax/submit', 'worker/train', ...WAYS].map((name) => `examples/${name}.ts`);
  complaints = await stranger.check(files, OPTIONS);
});
afterAll(async () => {
  await server.stop();
  await stranger.remove();
});

/** Runs an example's job at two sites, and gives what became of it. Their names, which their data depend on, are free again. */
const learn = async (way: string, names = ['north', 'south']) => {
  const submit = stranger.start('examples/softmax/submit.js', '.', {
    SERVER: server.url,
    ADMIN_TOKEN: ADMIN,
  });
  expect(await submit.ended, submit.said()).toBe(0);
  const job = submit.said().trim();
  const ENROLMENT = await api.enrolment({ uses: 2 });
  const sites = names.map((NAME) => {
    const running = stranger.start(`examples/${way}.js`, '.', {
      SERVER: server.url,
      NAME,
      ENROLMENT,
    });
    onTestFinished(() => running.stop('SIGKILL'));
    return running;
  });
  const view = await finished(api, job);
  for (const site of sites) expect(await site.ended, site.said()).toBe(0);
  expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
  for (const name of names) await api.json(`/v1/sites/${name}`, 200, { method: 'DELETE' });
  const model = await api.call(`/v1/jobs/${job}/models/global`);
  return { digest: digestOf(new Uint8Array(await model.arrayBuffer())), metrics: view.metrics };
};

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

test('the code in docs/execution-apis.md is that of the examples', async () => {
  const blocks = await filesOf('docs/execution-apis.md');
  const named = [...blocks].filter(([name]) => name.startsWith('examples/'));
  expect(named.length).toBeGreaterThan(4);
  for (const [name, text] of named) {
    const [, ...lines] = text.split('\n');
    expect(lines.join('\n'), name).toBe(await readFile(join(ROOT, name), 'utf8'));
  }
});
