// Agents as a reader has them: the examples from the packed kit, the Python one beside them.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { decode } from '../../core/tensors/safetensors.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { Api } from '../http/api.ts';
import { finished } from './digits-job.ts';
import { filesOf } from './documents.ts';
import { Stranger } from './stranger.ts';

const NAMES = ['north', 'south'];
const FILES = ['softmax/submit', 'client-api/site', 'agent/site', 'agent/agent'];
const OPTIONS = {
  lib: ['es2023'],
  module: 'nodenext',
  types: ['node'],
  rewriteRelativeImportExtensions: true,
};
const torch = ['python3', '/usr/bin/python3'].find(
  (python) => spawnSync(python, ['-c', 'import torch, numpy']).status === 0,
);

let server: Server;
let api: Api;
let stranger: Stranger;
let complaints: string;
beforeAll(async () => {
  [stranger, server] = await Promise.all([Stranger.make(), startServer()]);
  api = new Api(server);
  await cp(join(ROOT, 'examples'), join(stranger.dir, 'examples'), { recursive: true });
  complaints = await stranger.check(
    FILES.map((name) => `examples/${name}.ts`),
    OPTIONS,
  );
});
afterAll(async () => {
  await server?.stop();
  await stranger?.remove();
});

/** Runs an agent to its end, which must be a good one. */
type StartAgent = (name: string, address: string) => Promise<void>;

/** Runs the softmax job at two sites, with agents or without, and gives the final model's bytes. */
const learn = async (way: string, agent?: StartAgent): Promise<Uint8Array> => {
  const submit = stranger.start('examples/softmax/submit.js', '.', {
    SERVER: server.url,
    ADMIN_TOKEN: ADMIN,
  });
  expect(await submit.ended, submit.said()).toBe(0);
  const job = submit.said().trim();
  const ENROLMENT = await api.enrolment({ uses: NAMES.length });
  const working = NAMES.map(async (NAME) => {
    const AGENT = `unix:${join(stranger.dir, `${NAME}.sock`)}`;
    const env = { SERVER: server.url, NAME, ENROLMENT, AGENT };
    const site = stranger.start(`examples/${way}.js`, '.', env);
    onTestFinished(() => site.stop('SIGKILL'));
    await agent?.(NAME, AGENT);
    expect(await site.ended, site.said()).toBe(0);
  });
  const [view] = await Promise.all([finished(api, job), ...working]);
  expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
  for (const name of NAMES) await api.json(`/v1/sites/${name}`, 200, { method: 'DELETE' });
  for (const name of NAMES)
    await rm(join(stranger.dir, `state-${name}`), { recursive: true, force: true });
  const model = await api.call(`/v1/jobs/${job}/models/global`);
  return new Uint8Array(await model.arrayBuffer());
};

const inNode: StartAgent = async (NAME, AGENT) => {
  const agent = stranger.start('examples/agent/agent.js', '.', { NAME, AGENT });
  onTestFinished(() => agent.stop('SIGKILL'));
  expect(await agent.ended, agent.said()).toBe(0);
};

const inTorch: StartAgent = async (_, address) => {
  const script = join(stranger.dir, 'examples/pytorch-agent/train.py');
  const child = spawn(torch ?? '', ['-B', script, '--agent', address], {
    env: { ...process.env, PYTHONPATH: join(ROOT, 'agent/python') },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await once(child, 'exit')).toEqual([0, null]);
};

let reference: Uint8Array;
test('an agent in Node makes the model of the Client API, to the byte', async () => {
  expect(complaints).toBe('');
  reference = await learn('client-api/site');
  expect(Buffer.compare(await learn('agent/site', inNode), reference)).toBe(0);
});

test.skipIf(torch === undefined)(
  `an agent in PyTorch makes the same within 1e-5${torch ? '' : ' (no PyTorch here)'}`,
  async () => {
    const [ours, theirs] = [reference, await learn('agent/site', inTorch)].map((bytes) => {
      const file = decode(bytes);
      if (!file.ok) throw new Error(file.error.reason);
      return [...file.value.tensors].flatMap(([, { data }]) => Array.from(data, Number));
    });
    expect(theirs).toHaveLength(15);
    const apart = (theirs ?? []).map((value, i) => Math.abs(value - (ours?.[i] as number)));
    expect(Math.max(...apart)).toBeLessThanOrEqual(1e-5);
  },
);

test('the code in docs/agents.md is that of the examples', async () => {
  const blocks = [...(await filesOf('docs/agents.md'))];
  expect(blocks.map(([name]) => name)).toEqual([
    'examples/agent/site.ts',
    'examples/agent/agent.ts',
    'examples/agent-page/site.ts',
    'examples/agent-page/agent.ts',
  ]);
  for (const [name, text] of blocks) {
    const [, ...lines] = text.split('\n');
    expect(lines.join('\n'), name).toBe(await readFile(join(ROOT, name), 'utf8'));
  }
});
