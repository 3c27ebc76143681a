/**
 * Memory that may be in use at once, handed out in order of asking: a hundred uploads at a time must not each hold a
 * 1 MiB row.
 */
export class ByteBudget {
  #left: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /**
   * Runs `task` once `bytes` are free, and gives them back when it ends; what it no longer needs before that, when it calls
   * `keep` with the rest. `bytes` is at most the whole budget.
   */
  async with<T>(bytes: number, task: (keep: (rest: number) => void) => Promise<T>): Promise<T> {
    let held = bytes;
    const keep = (rest: number): void => {
      if (rest >= held) return;
      this.#left += held - rest;
      held = rest;
      this.#wake();
    };
    if (this.#waiting.length > 0 || this.#left < bytes) {
      await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
    } else this.#left -= bytes;
    try {
      return await task(keep);
    } finally {
      keep(0);
    }
  }

  #wake(): void {
    for (let next = this.#waiting[0]; next && next.bytes <= this.#left; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#left -= next.bytes;
      next.go();
    }
  }
}
