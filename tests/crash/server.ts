import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import workerd from 'workerd';
import { freePort } from './free-port.ts';
import { ProcessGroup } from './process-group.ts';

const root = resolve(import.meta.dirname, '../..');

/** Bare workerd on the on-prem configuration, with its state in a folder: it can be killed and started again. */
export class Server {
  readonly port: number;
  readonly adminToken = 'admin-token-of-the-crash-tests';
  readonly #dir: string;
  #process: ProcessGroup | undefined;

  private constructor(dir: string, port: number) {
    this.#dir = dir;
    this.port = port;
  }

  static async start(dir: string): Promise<Server> {
    const server = new Server(dir, await freePort());
    for (const part of ['do', 'blobs']) mkdirSync(join(dir, part), { recursive: true });
    server.#spawn();
    await server.ready();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves when it answers. Throws, with what it printed, where it doesn't within 20 s. */
  async ready(): Promise<void> {
    for (const end = Date.now() + 20_000; Date.now() < end; await sleep(10)) {
      const up = await fetch(`${this.url}/healthz`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (up) return;
    }
    throw new Error(`the server does not answer (${this.#process?.fate}): ${this.log()}`);
  }

  /** The end of what it printed. */
  log(): string {
    return readFileSync(join(this.#dir, 'log.txt'), 'utf8').slice(-4000);
  }

  /** SIGKILL, and the same command again on the same folder and port; doesn't wait for it to answer. */
  async restart(): Promise<void> {
    await this.#process?.kill();
    this.#spawn();
  }

  async stop(): Promise<void> {
    await this.#process?.kill();
  }

  #spawn(): void {
    this.#process = new ProcessGroup({
      // The real binary: node_modules/.bin/workerd is a script, whose death leaves the server alive.
      command: workerd,
      args: [
        'serve',
        join(root, 'onprem/config.capnp'),
        `--socket-addr=http=127.0.0.1:${this.port}`,
        `--directory-path=do-disk=${join(this.#dir, 'do')}`,
        `--directory-path=blobs=${join(this.#dir, 'blobs')}`,
      ],
      env: { ADMIN_TOKEN: this.adminToken, TOKEN_KEY: '5'.repeat(64) },
      log: join(this.#dir, 'log.txt'),
    });
  }
}
