import { setTimeout as sleep } from 'node:timers/promises';
import type { Crew } from './crew.ts';
import { MOMENTS } from './kill-plan.ts';
import type { Kill, Moment } from './kill-plan.ts';
import type { Server } from '../../scripts/bare-server.ts';

/** Carries out plans: counts the moments that go by and kills where the plan says. */
export class Killer {
  readonly #server: Server;
  readonly #done: { readonly who: Kill['who']; readonly at: Moment }[] = [];
  #plan: Kill[] = [];
  #passed = 0;
  #crew: Crew | undefined;
  #busy: Promise<void> = Promise.resolve();
  #failed: unknown;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Kills so far. */
  get kills(): number {
    return this.#done.length;
  }

  /** How many kills there were of each kind, for people. */
  get tally(): Readonly<Record<string, number>> {
    const tally: Record<string, number> = {};
    for (const { who, at } of this.#done) {
      for (const key of [`who: ${who}`, `at: ${at}`]) tally[key] = (tally[key] ?? 0) + 1;
    }
    return tally;
  }

  /** Takes a plan over; what an earlier one left is dropped. */
  follow(plan: readonly Kill[]): void {
    this.#plan = [...plan];
    this.#passed = 0;
  }

  /** Sites to choose from. Without them, a kill of a site takes the server. */
  set crew(crew: Crew | undefined) {
    this.#crew = crew;
  }

  /** Something happened. */
  moment(text: string): void {
    const moment = MOMENTS.find((name) => name === text);
    const next = this.#plan[0];
    if (!moment || !next) return;
    this.#passed++;
    if (this.#passed <= next.after || (next.at !== 'any' && next.at !== moment)) return;
    this.#plan.shift();
    this.#passed = 0;
    this.#done.push({ who: next.who, at: moment });
    this.#busy = this.#next(this.#busy, next);
  }

  async #next(before: Promise<void>, kill: Kill): Promise<void> {
    await before;
    try {
      await this.#kill(kill);
    } catch (error) {
      this.#failed = error;
    }
  }

  /** Resolves when what was killed runs again. Throws where it doesn't. */
  async settled(): Promise<void> {
    await this.#busy;
    if (this.#failed !== undefined) throw this.#failed;
  }

  async #kill({ who, site, delayMS }: Kill): Promise<void> {
    if (delayMS > 0) await sleep(delayMS);
    const crew = this.#crew;
    const names = crew?.names ?? [];
    const one = names[Math.floor(site * names.length)];
    const chosen = who === 'all' ? names : who === 'site' && one !== undefined ? [one] : [];
    await Promise.all([
      ...chosen.map((name) => crew?.restart(name)),
      ...(who === 'all' || chosen.length === 0 ? [this.#restartServer()] : []),
    ]);
  }

  async #restartServer(): Promise<void> {
    await this.#server.kill();
    await this.#server.restart();
  }
}
