import type { Task } from '../../core/protocol/task.ts';

/**
 * How a waiting poll ends: with a task; `look`: something happened, ask again; `newer`: the site has begun another poll;
 * `over`: its time is up.
 */
export type PollEnd = Task | 'look' | 'newer' | 'over';

interface Poll {
  /** Ticks until its time is up. */
  left: number;
  readonly end: (end: PollEnd) => void;
}

/** All polls share one timer that ticks: thousands of timers would cost as much as the answers. */
const TICK_MS = 250;

/**
 * Polls that are answered in one go. The first need not wait until the last is ready, and thousands in the making at once
 * are more than a processor's caches hold: they take half as long again.
 */
const AT_ONCE = 32;

/**
 * Requests that wait for news: polls of sites, one each, and readers of the view or of the events. They are in memory only:
 * losing them costs everybody a reconnect.
 */
export class Waiting {
  readonly #polls = new Map<string, Poll>();
  readonly #readers = new Set<() => void>();
  #ticking: ReturnType<typeof setInterval> | null = null;

  /** Sites with a waiting poll. */
  sites(): { has(site: string): boolean } {
    return this.#polls;
  }

  /** Waits until the site is called, at most `ms` and a tick. An older poll of the same site ends. */
  poll(site: string, ms: number): Promise<PollEnd> {
    this.call(site, 'newer');
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
    return new Promise((end) => {
      // The tick that comes first may come at once.
      this.#polls.set(site, { left: Math.ceil(ms / TICK_MS) + 1, end });
    });
  }

  #tick(): void {
    for (const [site, poll] of this.#polls) {
      poll.left -= 1;
      if (poll.left <= 0) this.call(site, 'over');
    }
    if (this.#polls.size > 0 || this.#ticking === null) return;
    clearInterval(this.#ticking);
    this.#ticking = null;
  }

  /** Ends a site's waiting poll, if there is one. */
  call(site: string, end: PollEnd): void {
    this.#take(site)?.end(end);
  }

  #take(site: string): Poll | undefined {
    const poll = this.#polls.get(site);
    this.#polls.delete(site);
    return poll;
  }

  /** Answers polls with their tasks, some at a time. None of them counts as waiting from now on. */
  async give(tasks: ReadonlyMap<string, Task>): Promise<void> {
    const answers = Array.from(tasks, ([site, task]) => ({ poll: this.#take(site), task }));
    for (const [i, { poll, task }] of answers.entries()) {
      if (i > 0 && i % AT_ONCE === 0) await scheduler.wait(0);
      poll?.end(task);
    }
  }

  /** Has all waiting polls look again. */
  callAll(): void {
    for (const site of this.#polls.keys()) this.call(site, 'look');
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
