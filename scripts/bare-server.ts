import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { DASHBOARD } from './build-dashboard.ts';
import { buildWorker, ROOT } from './build-worker.ts';
import { newTokenKey } from './keys.ts';
import { TUNABLES, WORKERD } from './workerd.ts';

/** Its admin token, unless another is given. */
export const ADMIN = 'admin-token-of-the-tests';

/** The real bundle on bare workerd, with onprem/config.capnp: what tests and benchmarks talk to. */
export interface Server {
  readonly url: string;
  readonly port: number;
  /** Its process. Throws while there is none. */
  pid(): number;
  /** What the server has printed so far. */
  log(): string;
  /** SIGKILL. Storage stays. */
  kill(): Promise<void>;
  /** Starts again after `kill`, on the same port and storage. */
  restart(): Promise<void>;
  /** Ends it for good; a folder that `startServer` made goes with it. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Where state lives; a temporary folder if not given. */
  readonly data?: string;
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a server; `ADMIN` is its admin token unless `env` says otherwise. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  await buildWorker();
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'tributary-')));
  const env = {
    ADMIN_TOKEN: ADMIN,
    TOKEN_KEY: newTokenKey(),
    GLIBC_TUNABLES: TUNABLES,
    ...options.env,
  };
  for (const name of ['objects', 'blobs']) await mkdir(join(data, name), { recursive: true });
  let port = options.port ?? 0;
  let log = '';
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const started = spawn(
      WORKERD,
      [
        'serve',
        join(ROOT, 'onprem/config.capnp'),
        `--socket-addr=http=127.0.0.1:${port}`,
        `--directory-path=objects=${join(data, 'objects')}`,
        `--directory-path=blobs=${join(data, 'blobs')}`,
        `--directory-path=assets=${DASHBOARD}`,
        '--control-fd=3',
      ],
      { env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
    );
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on('data', (text: Buffer) => (log += text.toString()));
    }
    port = await listening(started, () => log);
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    running.kill('SIGKILL');
    await once(running, 'exit');
  };

  await start();
  // A process that ends must not leave its server behind.
  process.once('exit', () => {
    child?.kill('SIGKILL');
    if (options.data === undefined) rmSync(data, { recursive: true, force: true });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: () => {
      if (child?.pid === undefined) throw new Error('the server does not run');
      return child.pid;
    },
    log: () => log,
    kill,
    restart: start,
    stop: async () => {
      await kill();
      if (options.data === undefined) await rm(data, { recursive: true, force: true });
    },
  };
}

/** The port, once workerd says on its control descriptor that it listens. */
async function listening(child: ChildProcess, log: () => string): Promise<number> {
  const control = child.stdio[3] as Readable;
  let text = '';
  const exit = once(child, 'exit').then(() => {
    throw new Error(`workerd did not start:\n${log()}`);
  });
  const ready = (async () => {
    for await (const chunk of control) {
      text += String(chunk);
      const [, port] = /"event":"listen","socket":"http","port":(\d+)/.exec(text) ?? [];
      if (port !== undefined) return Number(port);
    }
    return exit;
  })();
  exit.catch(() => undefined);
  return await Promise.race([ready, exit]);
}
