import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWorker, ROOT } from '../scripts/build-worker.ts';
import { WORKERD } from '../scripts/workerd-path.ts';

/** A running server: bare workerd on the checked-in configuration, its state in a folder of its own. */
export interface Server {
  readonly port: number;
  readonly adminToken: string;
  /** Resident memory of the process in MB (2^20 bytes): now, and the most since it started. */
  memory(): Promise<{ readonly rss: number; readonly peak: number }>;
  /** Milliseconds of processor time that it has used; in steps of 10. */
  cpu(): Promise<number>;
}

/** A port that is free now. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });

const isReady = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/healthz`).then(
    (answer) => answer.ok,
    () => false,
  );

/** Runs the server for as long as `use` takes; then it and its data are gone. */
export async function withServer<T>(use: (server: Server) => Promise<T>): Promise<T> {
  await buildWorker();
  const port = await freePort();
  const data = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  for (const part of ['objects', 'blobs']) mkdirSync(join(data, part));
  const adminToken = 'admin-token-of-the-benchmarks';
  const child = spawn(
    WORKERD,
    [
      'serve',
      join(ROOT, 'onprem/config.capnp'),
      `--socket-addr=http=127.0.0.1:${port}`,
      `--directory-path=objects=${join(data, 'objects')}`,
      `--directory-path=blobs=${join(data, 'blobs')}`,
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ADMIN_TOKEN: adminToken, TOKEN_KEY: '7'.repeat(64) },
    },
  );
  const kill = (): void => {
    child.kill('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  };
  process.once('exit', kill);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  try {
    for (const end = Date.now() + 20_000; !(await isReady(port)); await sleep(50)) {
      if (child.exitCode !== null || Date.now() > end)
        throw new Error('the server does not answer');
    }
    const memory = async () => {
      const text = await readFile(`/proc/${child.pid}/status`, 'utf8');
      const read = (name: string): number =>
        Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]) / 1024;
      return { rss: read('VmRSS'), peak: read('VmHWM') };
    };
    const cpu = async (): Promise<number> => {
      const text = await readFile(`/proc/${child.pid}/stat`, 'utf8');
      // Fields after the command, which may hold anything: user and system time are the 12th and 13th.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 10;
    };
    return await use({ port, adminToken, memory, cpu });
  } finally {
    process.off('exit', kill);
    kill();
  }
}
