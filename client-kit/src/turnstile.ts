/** Lets one through at a time, in order of arrival: two jobs on one site take turns, task by task. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Runs `work` when it is its turn; one whose signal aborts while it waits leaves the queue. */
  async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last;
    let leave = (): void => undefined;
    const gone = new Promise<void>((resolve) => (leave = resolve));
    this.#last = before.then(() => gone);
    try {
      await orAborted(before, signal);
      return await work();
    } finally {
      leave();
    }
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
