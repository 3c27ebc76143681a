import { LIMITS } from '../../core/protocol/limits.ts';
import { Turnstile } from './turnstile.ts';

/**
 * The polls of all jobs of a site. Where fewer may wait at a time than there are jobs, they take turns, and each waits
 * the shorter: every job is asked for within the time that one poll may wait.
 */
export class Polls {
  readonly #places: number;
  readonly #turnstile: Turnstile;
  #jobs = 0;

  constructor(places = Infinity) {
    this.#places = places;
    this.#turnstile = new Turnstile(places);
  }

  /** Polls when a place is free; `poll` is given how many seconds it may wait. */
  async pass<T>(poll: (waitS: number) => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#jobs++;
    try {
      return await this.#turnstile.pass(() => poll(this.#waitS()), signal);
    } finally {
      this.#jobs--;
    }
  }

  #waitS(): number {
    if (this.#jobs <= this.#places) return LIMITS.waitS;
    return Math.max(1, Math.floor((LIMITS.waitS * this.#places) / this.#jobs));
  }
}
