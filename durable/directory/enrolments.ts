import { randomBytes } from 'node:crypto';
import type { InferOutput } from 'valibot';
import type { Fault } from '../../core/protocol/fault.ts';
import type { Enrolment, EnrolmentRequest } from '../../core/protocol/site.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import { enrolmentToken, hashOf, type TokenKey, type TokenKeys } from './site-token.ts';

type Row = { uses: number; used: number; expires: number };

/** An expired enrolment is remembered this long, so that its holder learns why it fails. */
const REMEMBER_MS = 30 * 86_400_000;

const refused = (detail: string): Result<never, Fault> => err({ reason: 'unauthorized', detail });

/** Tokens with which sites enrol themselves: stored as hashes, each for so many sites and so long. */
export class Enrolments {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  create(request: InferOutput<typeof EnrolmentRequest>, key: TokenKey, now: number): Enrolment {
    const id = randomBytes(16).toString('hex');
    const token = enrolmentToken(key, id);
    const expires = now + request.expiresIn * 1000;
    this.#sql.exec('DELETE FROM enrolments WHERE expires <= ?', now - REMEMBER_MS);
    this.#sql.exec(
      'INSERT INTO enrolments (hash, id, uses, used, created, expires) VALUES (?, ?, ?, 0, ?, ?)',
      hashOf(token),
      id,
      request.uses,
      now,
      expires,
    );
    return { id, token, uses: request.uses, expires };
  }

  /** The token of an enrolment that is stored, made again; null where the key that made it is gone. */
  tokenOf(id: string, { current, previous }: TokenKeys): string | null {
    for (const key of [current, previous]) {
      const token = key && enrolmentToken(key, id);
      if (token !== null && this.#row(token)) return token;
    }
    return null;
  }

  /** Ok if the token is good for another site; else why not. */
  check(token: string, now: number): Result<null, Fault> {
    const row = this.#row(token);
    if (!row) return refused('This enrolment token is not known.');
    if (row.expires <= now) return refused('This enrolment token has expired.');
    if (row.used >= row.uses) return refused('This enrolment token has been used up.');
    return ok(null);
  }

  /** Counts one use of a token that `check` found good. */
  use(token: string): void {
    this.#sql.exec('UPDATE enrolments SET used = used + 1 WHERE hash = ?', hashOf(token));
  }

  #row(token: string): Row | undefined {
    return this.#sql
      .exec<Row>('SELECT uses, used, expires FROM enrolments WHERE hash = ?', hashOf(token))
      .toArray()[0];
  }
}
