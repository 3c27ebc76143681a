import type { Task } from '../core/protocol/task.ts';

/**
 * How a waiting poll ends: with a task; `look`: something happened, ask again; `newer`: the site has begun another poll;
 * `over`: its time is up.
 */
export type PollEnd = Task | 'look' | 'newer' | 'over';

/**
 * Requests that wait for news: polls of sites, one each, and readers of the view or of the events. They are in memory only:
 * losing them costs everybody a reconnect.
 */
export class Waiting {
  readonly #polls = new Map<string, (end: PollEnd) => void>();
  readonly #readers = new Set<() => void>();

  /** Sites with a waiting poll. */
  sites(): { has(site: string): boolean } {
    return this.#polls;
  }

  /** Waits until the site is called, at most `ms`. An older poll of the same site ends. */
  poll(site: string, ms: number): Promise<PollEnd> {
    this.call(site, 'newer');
    return new Promise((resolve) => {
      const end = (value: PollEnd): void => {
        clearTimeout(timer);
        if (this.#polls.get(site) === end) this.#polls.delete(site);
        resolve(value);
      };
      const timer = setTimeout(() => end('over'), ms);
      this.#polls.set(site, end);
    });
  }

  /** Ends a site's waiting poll, if there is one. */
  call(site: string, end: PollEnd): void {
    this.#polls.get(site)?.(end);
  }

  /** Has all waiting polls look again. */
  callAll(): void {
    for (const end of this.#polls.values()) end('look');
  }

  /** Waits for news, at most `ms`. -> whether there are any */
  news(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const tell = (): void => {
        clearTimeout(timer);
        this.#readers.delete(tell);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#readers.delete(tell);
        resolve(false);
      }, ms);
      this.#readers.add(tell);
    });
  }

  /** There are news for all readers. */
  tell(): void {
    for (const tell of this.#readers) tell();
  }
}
