import type { Json } from '../../core/protocol/json.ts';
import { LIMITS } from '../../core/protocol/limits.ts';

/** What each finished workflow came to: JSON, in rows of LIMITS.rowBytes. */
export class WorkflowResults {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** -> null, or why it can't be kept: it is part of every view of the job, and so it has a limit of its own */
  put(position: number, id: string, result: Json): string | null {
    const bytes = Buffer.from(JSON.stringify(result));
    if (bytes.length > LIMITS.workflowResultBytes) {
      return `a result of ${bytes.length} bytes; at most ${LIMITS.workflowResultBytes}`;
    }
    for (let part = 0; part * LIMITS.rowBytes < bytes.length; part++) {
      this.#sql.exec(
        'INSERT INTO workflow_results (position, part, id, bytes) VALUES (?, ?, ?, ?)',
        position,
        part,
        id,
        bytes.subarray(part * LIMITS.rowBytes, (part + 1) * LIMITS.rowBytes),
      );
    }
    return null;
  }

  /** By workflow id. */
  all(): Record<string, Json> {
    const parts = new Map<string, Uint8Array[]>();
    const rows = this.#sql.exec<{ id: string; bytes: ArrayBuffer }>(
      'SELECT id, bytes FROM workflow_results ORDER BY position, part',
    );
    for (const { id, bytes } of rows) {
      const before = parts.get(id);
      if (before) before.push(new Uint8Array(bytes));
      else parts.set(id, [new Uint8Array(bytes)]);
    }
    const texts = [...parts].map(([id, pieces]) => [id, Buffer.concat(pieces).toString()] as const);
    return Object.fromEntries(texts.map(([id, text]) => [id, JSON.parse(text) as Json]));
  }
}
