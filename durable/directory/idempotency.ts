import { createHash } from 'node:crypto';
import type { Fault } from '../../core/protocol/fault.ts';
import type { Json } from '../../core/protocol/json.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';

/**
 * Answers of POSTs that create, by the caller's Idempotency-Key, for 24 h. The same key with the same request gets the
 * same answer and nothing is made twice; with another request it is refused (422, as the IETF draft on
 * Idempotency-Key has it). Answers hold no secrets: tokens are signed again. All calls are synchronous: the record is
 * written in the transaction that makes what it tells of.
 */
export class Idempotency {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The recorded answer; null where there is none; a fault where the key came with another request. */
  recall<T extends Json>(
    scope: string,
    key: string | null,
    request: unknown,
    now: number,
  ): Result<T | null, Fault> {
    if (key === null) return ok(null);
    this.#sql.exec('DELETE FROM idempotency WHERE expires <= ?', now);
    const [row] = this.#sql
      .exec<{ request: string; answer: string }>(
        'SELECT request, answer FROM idempotency WHERE scope = ? AND key = ?',
        scope,
        key,
      )
      .toArray();
    if (!row) return ok(null);
    if (row.request === fingerprint(request)) return ok(JSON.parse(row.answer) as T);
    return err({
      reason: 'invalid',
      code: 'IDEMPOTENCY_KEY_REUSED',
      detail: 'This Idempotency-Key was sent before with another request.',
      errors: [{ path: 'Idempotency-Key', expected: 'a new key', got: 'one already used' }],
    });
  }

  record(scope: string, key: string | null, request: unknown, answer: Json, now: number): void {
    if (key === null) return;
    this.#sql.exec(
      'INSERT INTO idempotency (scope, key, request, answer, expires) VALUES (?, ?, ?, ?, ?)',
      scope,
      key,
      fingerprint(request),
      JSON.stringify(answer),
      now + LIMITS.idempotencyMS,
    );
  }

  knows(scope: string, key: string, now: number): boolean {
    const rows = this.#sql.exec(
      'SELECT 1 FROM idempotency WHERE scope = ? AND key = ? AND expires > ?',
      scope,
      key,
      now,
    );
    return rows.toArray().length > 0;
  }

  /** Forgets an answer that turned out not to hold: the next request with the key starts afresh. */
  forget(scope: string, key: string): void {
    this.#sql.exec('DELETE FROM idempotency WHERE scope = ? AND key = ?', scope, key);
  }
}

const fingerprint = (request: unknown): string =>
  createHash('sha256').update(JSON.stringify(request)).digest('hex');
