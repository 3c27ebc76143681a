import type { Op } from '../../core/workflows/ops.ts';
import { LIMITS } from '../../core/protocol/limits.ts';

/** A settled op: what was asked, whole, and what it came to. Both are JSON text. */
export type Entry = { readonly op: string; readonly value: string };

/**
 * The ops that the current round has settled, in order; cleared when the round ends. Tensors are references here. The
 * value of an `await` is null: its outcome is rebuilt from the task's frozen rows, however many sites replied.
 */
export class Journal {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  entry(seq: number): Entry | undefined {
    const [entry] = this.#sql
      .exec<{ op: string; value: string }>('SELECT op, value FROM journal WHERE seq = ?', seq)
      .toArray();
    return entry;
  }

  /** Settles op `seq`. Throws RangeError where its value is larger than a replay on every turn can bear. */
  append(seq: number, op: Op, asked: string, value: unknown): void {
    const text = JSON.stringify(value);
    // A sample is a list of names, bounded by the sites of a job; all else has a limit of its own.
    const limit = op.op === 'sample' ? LIMITS.rowBytes : LIMITS.journalValueBytes;
    const bytes = Buffer.byteLength(text);
    if (bytes > limit)
      throw new RangeError(`op ${seq} (${op.op}): a value of ${bytes} bytes; at most ${limit}`);
    const whole = Buffer.byteLength(asked);
    if (whole > LIMITS.rowBytes) {
      throw new RangeError(`op ${seq} (${op.op}): ${whole} bytes; at most ${LIMITS.rowBytes}`);
    }
    this.#sql.exec('INSERT INTO journal (seq, op, value) VALUES (?, ?, ?)', seq, asked, text);
  }

  size(): number {
    return this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM journal').one().n;
  }

  clear(): void {
    this.#sql.exec('DELETE FROM journal');
  }
}
