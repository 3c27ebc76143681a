import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { killChild, startChild, stopChild } from './children.ts';

const DEV = fileURLToPath(new URL('../scripts/dev.ts', import.meta.url));
const START_MS = 60_000;

/** A port that is free now. */
export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
};

export interface ServerOptions {
  readonly port: number;
  /** Folder of its state. */
  readonly data: string;
}

/** `npm run dev` as a child process: what a person would start. */
export class ServerProcess {
  readonly url: string;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;
  /** The end of what it printed, for when it doesn't start. */
  #said = '';

  constructor(options: ServerOptions) {
    this.#options = options;
    this.url = `http://127.0.0.1:${options.port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it and waits until it is healthy. Rejects with what it printed where it ends or stays silent. */
  async start(): Promise<void> {
    const { port, data } = this.#options;
    const child = startChild(DEV, ['--port', String(port), '--data', data]);
    this.#child = child;
    const keep = (text: Buffer): void => {
      this.#said = (this.#said + text.toString()).slice(-4000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const until = Date.now() + START_MS;
    while (Date.now() < until && child.exitCode === null && child.signalCode === null) {
      const answer = await fetch(`${this.url}/healthz`).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await killChild(child);
    throw new Error(`the server did not start:\n${this.#said}`);
  }

  /** SIGKILL, as by a power cut. */
  async kill(): Promise<void> {
    if (this.#child) await killChild(this.#child);
  }

  async stop(): Promise<void> {
    if (this.#child) await stopChild(this.#child);
  }
}
