/** A condition variable: waits for something to become true, or for time to pass. */
export class Change {
  readonly #now: () => number;
  readonly #wakes = new Set<() => void>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Something has changed: all who wait look again. */
  happen(): void {
    for (const wake of this.#wakes) wake();
  }

  /** The first defined value that `look` gives; undefined once `ms` have passed without one. */
  async until<T>(look: () => T | undefined, ms: number): Promise<T | undefined> {
    const end = this.#now() + ms;
    for (;;) {
      const seen = look();
      const left = end - this.#now();
      if (seen !== undefined || left <= 0) return seen;
      await this.#next(left);
    }
  }

  #next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakes.add(wake);
    });
  }
}
