import type { JobChange } from '../stubs.ts';

export type MessageRow = {
  id: string;
  /** JSON of a JobChange. */
  body: string;
  /** Tells a message from the one that replaced it while it was on its way. */
  stamp: number;
  attempts: number;
  due: number;
};

/** Pause before the first repetition; each doubles it, up to the longest. */
const PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 5 * 60 * 1000;

/**
 * What the directory is to hear of the job: written in the turn that causes it, delivered after commit, tried again by the
 * alarm until it arrives. It may arrive twice; the directory is idempotent.
 */
export class Outbox {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** `id` names what the message is about: a newer one about the same thing replaces it. */
  put(id: string, change: JobChange, now: number): void {
    this.#sql.exec(
      `INSERT INTO outbox (id, body, stamp, attempts, due) VALUES (?1, ?2, 1, 0, ?3)
       ON CONFLICT (id) DO UPDATE SET
         body = ?2, stamp = stamp + 1, attempts = 0, due = min(due, ?3)`,
      id,
      JSON.stringify(change),
      now,
    );
  }

  /**
   * What is to be sent now. Each message is put off at the same time: if it doesn't arrive, or the object dies on the way,
   * it is due again after a pause.
   */
  take(now: number): MessageRow[] {
    const taken = this.#sql
      .exec<MessageRow>('SELECT * FROM outbox WHERE due <= ? ORDER BY due, id LIMIT 100', now)
      .toArray();
    for (const { id, attempts } of taken) {
      const pause = Math.min(PAUSE_MS * 2 ** Math.min(attempts, 20), LONGEST_PAUSE_MS);
      this.#sql.exec(
        'UPDATE outbox SET attempts = attempts + 1, due = ? WHERE id = ?',
        now + pause,
        id,
      );
    }
    return taken;
  }

  /** It has arrived: forgets it, unless it was replaced meanwhile. */
  arrived({ id, stamp }: MessageRow): void {
    this.#sql.exec('DELETE FROM outbox WHERE id = ? AND stamp = ?', id, stamp);
  }

  /** The clock was set back: what waits goes at once, rather than at a time that is far away again. */
  clockWentBack(now: number): void {
    this.#sql.exec('UPDATE outbox SET due = min(due, ?)', now);
  }

  nextDue(): number | null {
    return this.#sql.exec<{ due: number | null }>('SELECT min(due) AS due FROM outbox').one().due;
  }
}
