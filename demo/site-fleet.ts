import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killChild, startChild, stopChild } from './children.ts';
import type { SiteMessage, SiteStart } from './site-message.ts';

const SCRIPT = fileURLToPath(new URL('site-process.ts', import.meta.url));

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = [
  'onnxruntime-web',
  'onnxruntime-common',
  'fast-png',
  'fflate',
  'hyparquet',
  'iobuffer',
  'jpeg-js',
  'valibot',
];
const CODE = [
  'package.json',
  'cli',
  'client-kit',
  'core',
  'demo',
  ...MODULES.map((name) => join('node_modules', name)),
];

/**
 * Node's permission model lets a site read the code and its own two folders and write its own state: it could not open
 * another site's images, nor MNIST itself, if it tried.
 */
export const sandboxOf = ({ data, state }: Pick<SiteStart, 'data' | 'state'>): string[] => [
  '--permission',
  ...[...CODE.map((part) => join(ROOT, part)), data, state].map(
    (path) => `--allow-fs-read=${path}`,
  ),
  `--allow-fs-write=${state}`,
];

export type OnSiteMessage = (site: string, message: SiteMessage) => void;

/** The demo's sites, a process each. */
export class SiteFleet {
  readonly #starts: ReadonlyMap<string, SiteStart>;
  readonly #onMessage: OnSiteMessage;
  readonly #children = new Map<string, ChildProcess>();
  /** Sites that are meant to be down. */
  readonly #down = new Set<string>();
  /** Rejects as soon as a site ends that should not have. */
  readonly failure: Promise<never>;
  #fail: (error: Error) => void = () => undefined;

  constructor(starts: readonly SiteStart[], onMessage: OnSiteMessage) {
    this.#starts = new Map(starts.map((start) => [start.name, start]));
    this.#onMessage = onMessage;
    this.failure = new Promise<never>((_, reject) => (this.#fail = reject));
    this.failure.catch(() => undefined);
  }

  startAll(): void {
    for (const name of this.#starts.keys()) this.start(name);
  }

  start(name: string): void {
    const start = this.#starts.get(name);
    if (!start) throw new RangeError(`no site ${name}`);
    this.#down.delete(name);
    const child = startChild(SCRIPT, [JSON.stringify(start)], sandboxOf(start));
    child.stdout?.resume();
    this.#children.set(name, child);
    let said = '';
    child.stderr?.on('data', (text: Buffer) => {
      said = (said + text.toString()).slice(-2000);
    });
    child.on('message', (message) => {
      const heard = message as SiteMessage;
      if (heard.type === 'failed') said += heard.error;
      this.#onMessage(name, heard);
    });
    child.once('exit', (code, signal) => {
      if (this.#down.has(name)) return;
      this.#fail(new Error(`${name} ended (${code ?? signal}): ${said}`));
    });
  }

  /** SIGKILL, as by a dead battery. */
  async kill(name: string): Promise<void> {
    this.#down.add(name);
    const child = this.#children.get(name);
    if (child) await killChild(child);
  }

  async stopAll(): Promise<void> {
    for (const name of this.#starts.keys()) this.#down.add(name);
    await Promise.all([...this.#children.values()].map((child) => stopChild(child)));
  }
}
