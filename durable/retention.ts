import { LIMITS } from '../core/protocol/limits.ts';
import { digestsIn } from './digests-in.ts';
import type { JobRecord } from './job-record.ts';
import type { Journal } from './journal.ts';
import type { ModelStore } from './model-store.ts';
import type { TaskRows } from './task-rows.ts';

interface Parts {
  readonly record: JobRecord;
  readonly journal: Journal;
  readonly models: ModelStore;
  readonly rows: TaskRows;
}

/**
 * Which models stay: the initial one, those with a name (global, best, the sites'), and those that the workflow's state, the
 * journal or an unfinished task mentions. The others go 10 minutes later: a slow download may be under way.
 */
export class Retention {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Retires what a round has left behind. */
  retire(now: number): void {
    const { record, journal, models, rows } = this.#parts;
    const loose = models.loose();
    if (loose.length === 0) return;
    const inUse = new Set<string | undefined>([record.spec().model, ...journal.digests()]);
    for (const digest of digestsIn(record.read().state ?? '')) inUse.add(digest);
    for (const { request } of rows.in('open', 'folding')) inUse.add(request.model?.digest);
    for (const digest of loose) {
      if (!inUse.has(digest)) models.retire(digest, now + LIMITS.modelGraceMS);
    }
  }
}
