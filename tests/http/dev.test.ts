import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../../scripts/build-worker.ts';
import { Api } from './api.ts';

let dir: string;
let port: number;
const running = new Set<ChildProcess>();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tributary-dev-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  port = (probe.address() as { port: number }).port;
  probe.close();
});
afterEach(async () => {
  for (const child of running) signalGroup(child, 'SIGKILL');
  running.clear();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

interface Started {
  readonly child: ChildProcess;
  readonly output: string;
}

/** Runs the server as `npm run dev` does, in a process group of its own, without stdin; waits for its first word. */
async function dev(env: Record<string, string> = {}, until = /^ready on .+$/m): Promise<Started> {
  const { ADMIN_TOKEN: _, ...inherited } = process.env;
  const child = spawn(process.execPath, ['scripts/dev.ts', '--port', `${port}`, '--data', dir], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, ...env },
  });
  running.add(child);
  let output = '';
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        output += text.toString();
        if (until.test(output)) resolve();
      });
    }
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${output}`)));
  });
  return { child, output };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal);
  } catch {
    // The whole group is gone.
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

const workerdPid = async (): Promise<number> =>
  Number(await readFile(join(dir, 'workerd.pid'), 'utf8'));

const api = (): Api => new Api({ url: `http://127.0.0.1:${port}` });

test('makes keys once, tells the admin token once, and goes on where it was', async () => {
  const first = await dev();
  const [, token = ''] = /^admin token, shown once: (\S+)$/m.exec(first.output) ?? [];
  expect(token).toMatch(/^tadmin_/);
  expect((await stat(join(dir, 'keys.json'))).mode & 0o777).toBe(0o600);
  await api().json('/v1/enrolments', 201, { token, body: {}, headers: { 'idempotency-key': 'a' } });
  const enrolment = await api().json<{ token: string }>('/v1/enrolments', 201, { token, body: {} });
  const body = { name: 'alpha' };
  const site = await api().json<{ token: string }>('/v1/sites', 201, {
    token: enrolment.token,
    body,
  });
  const runtime = await workerdPid();
  signalGroup(first.child, 'SIGKILL');
  await gone(runtime);

  const second = await dev();
  expect(second.output).not.toContain('admin token');
  await api().json('/v1/inbox', 200, { token: site.token });
  await api().json('/v1/sites', 200, { token });
});

test('ADMIN_TOKEN from the environment is taken, and not stored', async () => {
  const { output } = await dev({ ADMIN_TOKEN: 'of-the-environment' });
  expect(output).not.toContain('admin token');
  await api().json('/v1/jobs', 200, { token: 'of-the-environment' });
  expect(await readFile(join(dir, 'keys.json'), 'utf8')).not.toContain('ADMIN_TOKEN');
});

test('a SIGKILL of its process alone leaves no runtime behind', async () => {
  const { child } = await dev();
  const runtime = await workerdPid();
  child.kill('SIGKILL');
  await gone(runtime);
  await dev();
});

test.each([
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends it cleanly, with %d', async (signal, code) => {
  const { child } = await dev();
  const runtime = await workerdPid();
  const exit = once(child, 'exit');
  child.kill(signal);
  expect((await exit)[0]).toBe(code);
  await gone(runtime);
  for (const file of ['server.lock', 'workerd.pid', 'workerd.sh']) {
    expect(existsSync(join(dir, file)), file).toBe(false);
  }
});

test('a second server on a live data folder is refused, and the first goes on', async () => {
  await dev();
  const own = port;
  port = 0;
  await expect(dev()).rejects.toThrow(/exit 1: .* is in use by another server/);
  port = own;
  await api().json('/healthz', 200);
});

test('a port that is taken is told', async () => {
  const taken = createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  try {
    await expect(dev()).rejects.toThrow(/exit 1: .*in use/s);
  } finally {
    taken.close();
  }
});
