import { isFinished } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { DataFilter } from '../filtering/data-filter.ts';
import { digestsIn } from './digests-in.ts';
import type { JobRecord } from '../state/job-record.ts';
import type { ModelStore } from '../models/model-store.ts';
import { sentModel } from '../tasks/task-rows.ts';
import type { TaskRows } from '../tasks/task-rows.ts';

interface Parts {
  readonly record: JobRecord;
  readonly models: ModelStore;
  readonly rows: TaskRows;
  readonly filter: DataFilter;
}

/**
 * Which models stay when a round or the job ends, and at no other time: within a round the journal may name any of them
 * again. The initial one stays, those with a name (global, best, the sites'), and those that the workflow's state or a
 * task that outlived its round mentions. The others go 10 minutes later: a slow download may be under way.
 */
export class Retention {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Retires what a round has left behind. Call it once the round's journal is cleared. */
  retire(now: number): void {
    const { models, rows, filter } = this.#parts;
    filter.forget();
    const loose = models.loose();
    // A fold under way has models that nothing mentions yet: the next round's end looks again.
    if (loose.length === 0 || rows.in('folding').length > 0) return;
    const inUse = new Set(this.#inUse());
    for (const digest of loose) {
      if (!inUse.has(digest)) models.retire(digest, now + LIMITS.modelGraceMS);
    }
  }

  *#inUse(): Generator<string | undefined> {
    const { record, rows } = this.#parts;
    const { status, state } = record.read();
    yield record.spec().model;
    if (isFinished(status)) return;
    yield* digestsIn(state ?? '');
    for (const task of rows.in('open')) {
      yield task.request.model?.digest;
      yield sentModel(task)?.digest;
    }
  }
}
