/** A message to another object. `id` names what it is about: a newer message about the same thing replaces it. */
export interface Message {
  readonly id: string;
  readonly kind: 'job-changed' | 'hold';
  /** Digest of the blob; empty for the directory. */
  readonly target: string;
  /** JSON. */
  readonly body: string;
}

export type MessageRow = {
  id: string;
  kind: Message['kind'];
  target: string;
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
 * Messages to other objects: written in the turn that causes them, delivered after commit, tried again by the alarm until
 * they arrive. They may arrive twice; their receivers are idempotent.
 */
export class Outbox {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put({ id, kind, target, body }: Message, now: number): void {
    this.#sql.exec(
      `INSERT INTO outbox (id, kind, target, body, stamp, attempts, due) VALUES (?1, ?2, ?3, ?4, 1, 0, ?5)
       ON CONFLICT (id) DO UPDATE SET
         kind = ?2, target = ?3, body = ?4, stamp = stamp + 1, attempts = 0, due = min(due, ?5)`,
      id,
      kind,
      target,
      body,
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

  nextDue(): number | null {
    return this.#sql.exec<{ due: number | null }>('SELECT min(due) AS due FROM outbox').one().due;
  }
}
