import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildWorker, ROOT } from '../../scripts/build-worker.ts';
import { Api, digestOf, matrix, sumJob } from './api.ts';

let dir: string;
let address: string;
let child: ChildProcess | undefined;
beforeAll(async () => {
  await buildWorker();
  dir = await mkdtemp(join(tmpdir(), 'tributary-onprem-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  address = `127.0.0.1:${(probe.address() as { port: number }).port}`;
  probe.close();
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

const SCRIPT = join(ROOT, 'onprem/start');
const env = { PATH: process.env['PATH'] };

/** Runs the one documented command and waits until it answers. Gives what it printed. */
async function start(): Promise<string> {
  let output = '';
  const started = spawn(SCRIPT, [dir, address], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  for (const stream of [started.stdout, started.stderr]) {
    stream.on('data', (text: Buffer) => (output += text.toString()));
  }
  while (started.exitCode === null) {
    const response = await fetch(`http://${address}/healthz`).catch(() => null);
    if (response?.ok) return output;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(output);
}

test('one command starts it; a SIGKILL and the same command go on where it was', async () => {
  const secrets = join(dir, 'secrets.env');
  expect(await start()).toBe(`made ${secrets}\n`);
  expect((await stat(secrets)).mode & 0o777).toBe(0o600);
  const [, admin = ''] = /^ADMIN_TOKEN=(\S+)$/m.exec(await readFile(secrets, 'utf8')) ?? [];
  expect(admin).toMatch(/^tadmin_[0-9a-f]{64}$/);

  const api = new Api({ url: `http://${address}` });
  const { token } = await api.json<{ token: string }>('/v1/enrolments', 201, {
    token: admin,
    body: {},
  });
  const grant = await api.json<{ token: string }>('/v1/sites', 201, {
    token,
    body: { name: 'alpha' },
  });
  const bytes = matrix([1, 2, 3]);
  const digest = digestOf(bytes);
  const blob = { method: 'PUT', token: admin, body: bytes };
  await api.json(`/v1/blobs/${digest}`, 201, blob);
  const job = await api.json('/v1/jobs', 201, { token: admin, body: sumJob(digest) });

  const second = spawnSync(SCRIPT, [dir, '127.0.0.1:1'], { env, encoding: 'utf8' });
  expect(second.stderr).toContain('in use by another server');

  const killed = child;
  killed?.kill('SIGKILL');
  await once(killed as ChildProcess, 'exit');
  await writeFile(join(dir, 'blobs/.half.1.1.tmp'), 'what it was writing as it was killed');
  expect(await start()).not.toContain('made');
  expect(await readdir(join(dir, 'blobs'))).toEqual([digest]);
  expect(await api.json('/v1/inbox', 200, { token: grant.token })).toMatchObject({
    jobs: [{ id: job['id'] }],
  });
  const stored = await api.call(`/v1/blobs/${digest}`, { token: admin });
  expect(new Uint8Array(await stored.arrayBuffer())).toEqual(new Uint8Array(bytes));
  await api.json(`/v1/jobs/${String(job['id'])}/task`, 200, { token: grant.token });
});
