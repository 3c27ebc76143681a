import type { EventKind } from '../../core/protocol/event.ts';
import { LIMITS } from '../../core/protocol/limits.ts';

/** One row of the job's event stream; `data` is JSON text. */
export type EventRow = { id: number; kind: EventKind; data: string; time: number };

/**
 * What happened in the job, in rows written by the turn in which it happened. Ids increase and are never used again; the
 * newest LIMITS.eventsKept rows are kept. An event is also what makes a new version of the job's view: no event, no change.
 */
export class EventLog {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  append(kind: EventKind, data: unknown, now: number): void {
    const [row] = this.#sql.exec<{ id: number }>(
      'INSERT INTO events (kind, data, time) VALUES (?, ?, ?) RETURNING id',
      kind,
      JSON.stringify(data),
      now,
    );
    const { id } = row as { id: number };
    this.#sql.exec('DELETE FROM events WHERE id <= ?', id - LIMITS.eventsKept);
    // Metrics may come by the hundred: they go to the stream, and wake nobody who watches the view.
    if (kind !== 'metric') this.#sql.exec('UPDATE job SET version = version + 1, active = ?', now);
  }

  after(id: number, limit: number): EventRow[] {
    return this.#sql
      .exec<EventRow>('SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?', id, limit)
      .toArray();
  }

  /** Id of the oldest row kept; null where there is none. */
  oldest(): number | null {
    return this.#sql.exec<{ id: number | null }>('SELECT min(id) AS id FROM events').one().id;
  }
}
