import { Exchange } from './exchange.ts';
import type { SitePipe } from './pipe.ts';

/** How long a pipe stays open after its last job, for the agent to hear that the job has ended. */
const LINGER_MS = 10_000;

/** A pipe and what goes over it, for all jobs that use it: open while there are such. */
export class Line {
  readonly exchange: Exchange;
  readonly #pipe: SitePipe;
  #users = 0;
  #shut: Promise<() => Promise<void>> | undefined;

  constructor(pipe: SitePipe, now: () => number) {
    this.#pipe = pipe;
    this.exchange = new Exchange(now);
  }

  /** Opens the pipe if nobody has. Rejects as it does, and may be tried again. */
  async enter(): Promise<void> {
    this.#users++;
    this.#shut ??= this.#pipe.open((request) => this.exchange.answer(request));
    try {
      await this.#shut;
    } catch (error) {
      this.#users--;
      this.#shut = undefined;
      throw error;
    }
  }

  /** `ended`: why the job has, if it has, and not only this life of the site. */
  async leave(job: string, ended: string | undefined): Promise<void> {
    if (ended !== undefined) await this.exchange.end(job, ended, LINGER_MS);
    if (--this.#users > 0) return;
    const shut = this.#shut;
    this.#shut = undefined;
    await (
      await shut
    )?.();
  }
}
