import { isFinished } from '../core/protocol/job-status.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { digestsIn } from './digests-in.ts';
import type { JobRecord } from './job-record.ts';
import type { Journal } from './journal.ts';
import type { ModelStore } from './model-store.ts';
import type { Replies } from './replies.ts';
import { refOf } from './task-rows.ts';
import type { TaskRows } from './task-rows.ts';

interface Parts {
  readonly record: JobRecord;
  readonly journal: Journal;
  readonly models: ModelStore;
  readonly rows: TaskRows;
  readonly replies: Replies;
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
    const { models, rows } = this.#parts;
    const loose = models.loose();
    // A fold under way has models that nothing mentions yet.
    if (loose.length === 0 || rows.in('folding').length > 0) return;
    const inUse = new Set(this.#inUse());
    for (const digest of loose) {
      if (!inUse.has(digest)) models.retire(digest, now + LIMITS.modelGraceMS);
    }
  }

  *#inUse(): Generator<string | undefined> {
    const { record, journal, rows, replies } = this.#parts;
    const { status, state } = record.read();
    yield record.spec().model;
    if (isFinished(status)) return;
    yield* digestsIn(state ?? '');
    yield* journal.digests();
    for (const { request } of rows.in('open')) yield request.model?.digest;
    // Outcomes of this round are read again at each replay.
    for (const id of journal.started()) {
      const task = rows.byId(id);
      if (!task) continue;
      yield refOf(task.model)?.digest;
      for (const { model } of replies.rows(task.n)) yield refOf(model)?.digest;
    }
  }
}
