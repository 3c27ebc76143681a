import type { AnalyticsEntry } from '../../core/protocol/analytics.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { isTransient } from './connection.ts';
import type { Connection } from './connection.ts';
import { ProblemError } from './problem-error.ts';
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
/** JSON of a batch: below what the server takes, with room for its frame. */
const BATCH_BYTES = (3 / 4) * LIMITS.jsonBytes;
/** A number and its name. */
const SEQ_BYTES = 32;

type Value = AnalyticsEntry['value'];

const keyOf = (text: string): string => text.slice(0, LIMITS.metricKeyLength).toWellFormed();

/** A value as the server takes it. JSON has no NaN and no infinity: they go as text, or not where others go beside them. */
const fitting = (value: Value): Value => {
  if (typeof value === 'string') return value.slice(0, LIMITS.metricTextLength).toWellFormed();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object') return value;
  const fields = Object.entries(value).filter(([, each]) => Number.isFinite(each));
  const named = fields.map(([name, each]) => [keyOf(name), each] as const);
  return Object.fromEntries(named.slice(0, LIMITS.fields));
};

/**
 * Values on their way to a job's metric log. They may be lost with the process; while the server can't be reached they
 * wait. None is counted twice, because each has a number of this site's own.
 */
export class Analytics {
  readonly #connection: Connection;
  readonly #store: Store;
  readonly #path: string;
  #waiting: Omit<AnalyticsEntry, 'seq'>[] = [];
  /** The batch on its way, again and again under the same numbers. */
  #sending: AnalyticsEntry[] = [];
  #next = 0;
  #end = 0;
  #flushing: Promise<void> | undefined;

  constructor(connection: Connection, store: Store, job: string) {
    this.#connection = connection;
    this.#store = store;
    this.#path = `/v1/jobs/${encodeURIComponent(job)}/metrics`;
  }

  /** What the server would refuse is made to fit, or left out: it would take a batch of others with it. */
  log(key: string, value: Value, { type = 'SCALAR', step }: LogOptions = {}): void {
    const name = keyOf(key);
    if (name === '') return;
    const counted = step !== undefined && Number.isInteger(step) && step >= 0;
    this.#waiting.push({
      key: name,
      value: fitting(value),
      type,
      time: Date.now(),
      ...(counted && { step }),
    });
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
    for (;;) {
      if (this.#sending.length === 0) await this.#fill();
      const entries = this.#sending;
      if (entries.length === 0) return;
      try {
        await this.#connection.json('POST', this.#path, {
          json: { entries },
          signal,
          attempts: 3,
        });
      } catch (error) {
        if (error instanceof ProblemError && !isTransient(error)) this.#sending = [];
        throw error;
      }
      this.#sending = [];
    }
  }

  /** Makes the next batch. */
  async #fill(): Promise<void> {
    const encoder = new TextEncoder();
    for (let bytes = 0; this.#sending.length < LIMITS.metricsBatch;) {
      const [next] = this.#waiting;
      if (!next) return;
      bytes += encoder.encode(JSON.stringify(next)).length + SEQ_BYTES;
      if (bytes > BATCH_BYTES && this.#sending.length > 0) return;
      this.#waiting.shift();
      this.#sending.push({ seq: await this.#sequence(), ...next });
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
