import { readJson, writeJson } from '../store.ts';
import type { Store } from '../store.ts';

/** Where the count lies in the site's store. */
const KEY = 'policy/sent';

interface Sent {
  /** Like 2026-11-24, in UTC. */
  readonly day: string;
  readonly bytes: number;
}

/** Bytes that a site has sent on one day (UTC), across restarts. */
export class DailyBytes {
  readonly #most: number;
  readonly #now: () => number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(most: number, now: () => number) {
    this.#most = most;
    this.#now = now;
  }

  /** Takes so many bytes of today's, if there are as many left: what was left before, and whether they were taken. */
  take(bytes: number, store: Store): Promise<{ readonly left: number; readonly taken: boolean }> {
    const taking = this.#last.then(async () => {
      const day = new Date(this.#now()).toISOString().slice(0, 10);
      const sent = await readJson<Sent>(store, KEY);
      const before = sent?.day === day ? sent.bytes : 0;
      const left = this.#most - before;
      if (bytes > left) return { left, taken: false };
      if (bytes > 0) await writeJson(store, KEY, { day, bytes: before + bytes } satisfies Sent);
      return { left, taken: true };
    });
    // One at a time: two jobs must not take the same bytes.
    this.#last = taking.catch(() => undefined);
    return taking;
  }
}
