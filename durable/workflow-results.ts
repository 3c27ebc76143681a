import type { Json } from '../core/protocol/json.ts';
import { LIMITS } from '../core/protocol/limits.ts';

/** What each finished workflow came to. */
export class WorkflowResults {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Throws RangeError where a result is larger than a row. */
  put(position: number, id: string, result: Json): void {
    const value = JSON.stringify(result);
    const bytes = Buffer.byteLength(value);
    if (bytes > LIMITS.rowBytes)
      throw new RangeError(`a result of ${bytes} bytes; at most ${LIMITS.rowBytes}`);
    this.#sql.exec(
      'INSERT INTO workflow_results (position, id, value) VALUES (?, ?, ?)',
      position,
      id,
      value,
    );
  }

  /** By workflow id. */
  all(): Record<string, Json> {
    const rows = this.#sql.exec<{ id: string; value: string }>(
      'SELECT id, value FROM workflow_results ORDER BY position',
    );
    return Object.fromEntries(
      rows.toArray().map(({ id, value }) => [id, JSON.parse(value) as Json]),
    );
  }
}
