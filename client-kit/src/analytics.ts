import type { AnalyticsEntry } from '../../core/protocol/analytics.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Connection } from './connection.ts';
import { readJson, writeJson } from './store.ts';
import type { Store } from './store.ts';

export interface LogOptions {
  /** FLARE's AnalyticsDataType; SCALAR if absent. */
  readonly type?: AnalyticsEntry['type'];
  readonly step?: number | undefined;
}

const KEY = 'analytics';
/** Numbers taken from the store at a time: a life of the site uses a block up or wastes it, and never repeats one. */
const BLOCK = 10_000;

/**
 * Values on their way to a job's metric log. They may be lost with the process; none is counted twice, because each has
 * a number of this site's own.
 */
export class Analytics {
  readonly #connection: Connection;
  readonly #store: Store;
  readonly #path: string;
  #waiting: Omit<AnalyticsEntry, 'seq'>[] = [];
  #next = 0;
  #end = 0;
  #flushing: Promise<void> | undefined;

  constructor(connection: Connection, store: Store, job: string) {
    this.#connection = connection;
    this.#store = store;
    this.#path = `/v1/jobs/${encodeURIComponent(job)}/metrics`;
  }

  log(
    key: string,
    value: AnalyticsEntry['value'],
    { type = 'SCALAR', step }: LogOptions = {},
  ): void {
    this.#waiting.push({ key, value, type, time: Date.now(), ...(step !== undefined && { step }) });
    if (this.#waiting.length > LIMITS.metricsWaiting) this.#waiting.shift();
  }

  /** Sends what waits, in order. Never rejects: metrics are not worth a task. */
  flush(signal?: AbortSignal): Promise<void> {
    this.#flushing ??= this.#flush(signal)
      .catch(() => undefined)
      .finally(() => {
        this.#flushing = undefined;
      });
    return this.#flushing;
  }

  async #flush(signal?: AbortSignal): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, LIMITS.metricsBatch);
      const entries: AnalyticsEntry[] = [];
      for (const entry of batch) entries.push({ seq: await this.#sequence(), ...entry });
      await this.#connection.json('POST', this.#path, { json: { entries }, signal, attempts: 3 });
    }
  }

  async #sequence(): Promise<number> {
    if (this.#next === this.#end) {
      const taken = (await readJson<{ taken: number }>(this.#store, KEY))?.taken ?? 0;
      this.#next = taken;
      this.#end = taken + BLOCK;
      await writeJson(this.#store, KEY, { taken: this.#end });
    }
    return this.#next++;
  }
}
