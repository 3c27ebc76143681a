import type { SiteMessage } from './site-message.ts';

/** What chaos may do. */
export interface ChaosHands {
  readonly killSite: (site: string) => Promise<void>;
  readonly startSite: (site: string) => void;
  readonly killServer: () => Promise<void>;
  readonly startServer: () => Promise<void>;
  readonly say: (line: string) => void;
}

const DOWN_MS = 1000;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, DOWN_MS));

/**
 * Kills (SIGKILL) a site in the middle of its training a third into the job, and the server while sites train two thirds
 * into it; each is started again a second later. `failure` rejects where something doesn't come up again.
 */
export class Chaos {
  readonly failure: Promise<never>;
  readonly #hands: ChaosHands;
  readonly #rounds: { readonly site: number; readonly server: number };
  #site = false;
  #server = false;
  #fail: (error: unknown) => void = () => undefined;

  constructor(rounds: number, hands: ChaosHands) {
    this.#hands = hands;
    this.#rounds = { site: Math.floor(rounds / 3), server: Math.floor((2 * rounds) / 3) };
    this.failure = new Promise<never>((_, reject) => (this.#fail = reject));
    this.failure.catch(() => undefined);
  }

  /** Whether both have happened. */
  get done(): boolean {
    return this.#site && this.#server;
  }

  hear(site: string, message: SiteMessage): void {
    if (message.type !== 'event' || message.event.type !== 'step') return;
    const { task, step, steps } = message.event;
    if (step * 2 < steps) return;
    if (!this.#site && task.round === this.#rounds.site) {
      this.#site = true;
      this.#strike(this.#killSite(site, task.round, step));
    } else if (!this.#server && this.#site && task.round === this.#rounds.server) {
      this.#server = true;
      this.#strike(this.#killServer(task.round));
    }
  }

  #strike(deed: Promise<void>): void {
    deed.catch(this.#fail);
  }

  async #killSite(site: string, round: number, step: number): Promise<void> {
    const { killSite, startSite, say } = this.#hands;
    await killSite(site);
    say(`CHAOS  SIGKILL ${site} in round ${round + 1}, at step ${step} of its training`);
    await pause();
    startSite(site);
    say(`CHAOS  ${site} starts again; it will repeat its task, bit for bit`);
  }

  async #killServer(round: number): Promise<void> {
    const { killServer, startServer, say } = this.#hands;
    await killServer();
    say(`CHAOS  SIGKILL the server in round ${round + 1}, while sites train`);
    await pause();
    await startServer();
    say('CHAOS  the server is up again, where it was');
  }
}
