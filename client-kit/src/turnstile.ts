/** Lets so many through at a time, in order of arrival: two jobs on one site take turns, task by task. */
export class Turnstile {
  readonly #places: number;
  #inside = 0;
  readonly #queue = new Set<() => void>();

  constructor(places = 1) {
    this.#places = places;
  }

  /** Runs `work` when it is its turn; one whose signal aborts while it waits leaves the queue. */
  async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      if (this.#inside < this.#places) {
        this.#inside++;
        return resolve();
      }
      const enter = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        this.#queue.delete(enter);
        reject(signal.reason as Error);
      };
      this.#queue.add(enter);
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** Whoever waited longest takes the place over. */
  #leave(): void {
    const [next] = this.#queue;
    if (!next) {
      this.#inside--;
      return;
    }
    this.#queue.delete(next);
    next();
  }
}

/** Waits for a promise, or rejects with the signal's reason. */
export const orAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
