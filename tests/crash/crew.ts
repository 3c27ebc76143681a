import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessGroup } from './process-group.ts';
import type { SiteJob } from './site-job.ts';

export interface CrewOptions {
  /** The site process, bundled: it starts in a moment. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly dir: string;
  readonly ledger: string;
  readonly server: string;
  readonly names: readonly string[];
  readonly enrolment: string;
  readonly onMoment: (moment: string) => void;
}

/** Sites that work together, each a process of its own, started anew whenever it is killed. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #sites = new Map<string, ProcessGroup>();

  constructor(options: CrewOptions) {
    this.#options = options;
    for (const name of options.names) this.#start(name);
  }

  get names(): readonly string[] {
    return this.#options.names;
  }

  /** SIGKILL, and the same command again on the same folder. */
  async restart(name: string): Promise<void> {
    await this.#sites.get(name)?.kill();
    this.#start(name);
  }

  /** The ends of what the sites noted. */
  traces(): string {
    const { dir, names } = this.#options;
    const tail = (name: string): string =>
      readFileSync(join(dir, name, 'log.txt'), 'utf8').slice(-1500);
    return names.map((name) => `--- ${name}\n${tail(name)}`).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#sites.values()].map((site) => site.kill()));
    this.#sites.clear();
  }

  /** Sites that ended although nobody killed them, with how. */
  fallen(): readonly string[] {
    return [...this.#sites]
      .filter(([, site]) => !site.alive)
      .map(([name, { fate }]) => `${name}: ${fate}`);
  }

  #start(name: string): void {
    const { program, args = [], dir, ledger, server, enrolment, onMoment } = this.#options;
    const own = join(dir, name);
    mkdirSync(own, { recursive: true });
    const job: SiteJob = { server, name, enrolment, dir: join(own, 'store'), ledger };
    const site = new ProcessGroup({
      command: process.execPath,
      args: [program, JSON.stringify(job), ...args],
      log: join(own, 'log.txt'),
      onLine: onMoment,
    });
    this.#sites.set(name, site);
  }
}
