import type { InferOutput } from 'valibot';
import type { Fault } from '../../core/protocol/fault.ts';
import type { SiteRequest, SiteSummary } from '../../core/protocol/site.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import type { Page, Standing } from '../stubs.ts';

type Row = {
  name: string;
  generation: number;
  status: 'active' | 'revoked';
  enrolled: number;
  last_seen: number | null;
  capabilities: string;
};

/** `lastSeen` is written at most this often: each write is a row on the bill. */
const SEEN_MS = 30_000;

/**
 * The sites. A name's generation grows at each revocation and at each enrolment after one, so a token of an enrolment
 * before always has a smaller one, and so has every token that a job was told to refuse.
 */
export class SiteRegister {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  standing(name: string): Standing | null {
    const [row] = this.#sql
      .exec<{ generation: number; status: 'active' | 'revoked' }>(
        'SELECT generation, status FROM sites WHERE name = ?',
        name,
      )
      .toArray();
    return row ?? null;
  }

  /** Takes the name and gives its new generation; a conflict where an active site has it. */
  enrol(request: InferOutput<typeof SiteRequest>, now: number): Result<number, Fault> {
    const known = this.standing(request.name);
    if (known?.status === 'active') {
      return err({
        reason: 'conflict',
        detail: `A site named ${request.name} is already enrolled.`,
      });
    }
    const generation = (known?.generation ?? 0) + 1;
    this.#sql.exec(
      `INSERT OR REPLACE INTO sites (name, generation, status, enrolled, last_seen, capabilities)
       VALUES (?, ?, 'active', ?, NULL, ?)`,
      request.name,
      generation,
      now,
      JSON.stringify(request.capabilities ?? {}),
    );
    return ok(generation);
  }

  /** Voids all tokens of the site. Gives the generation from which on tokens are good again; null: no such site. */
  revoke(name: string): { readonly generation: number; readonly changed: boolean } | null {
    const known = this.standing(name);
    if (!known || known.status === 'revoked') {
      return known && { generation: known.generation, changed: false };
    }
    const generation = known.generation + 1;
    this.#sql.exec(
      `UPDATE sites SET status = 'revoked', generation = ? WHERE name = ?`,
      generation,
      name,
    );
    return { generation, changed: true };
  }

  /** It asked for its inbox. */
  seen(name: string, at: number): void {
    this.#sql.exec(
      'UPDATE sites SET last_seen = ?1 WHERE name = ?2 AND coalesce(last_seen, 0) < ?1 - ?3',
      at,
      name,
      SEEN_MS,
    );
  }

  list({ limit, cursor }: Page): { sites: SiteSummary[]; next: string | null } {
    const rows = this.#sql
      .exec<Row>(
        'SELECT * FROM sites WHERE name > ? ORDER BY name LIMIT ?',
        cursor ?? '',
        limit + 1,
      )
      .toArray();
    const sites = rows.slice(0, limit).map((row): SiteSummary => ({
      name: row.name,
      status: row.status,
      generation: row.generation,
      enrolled: row.enrolled,
      lastSeen: row.last_seen,
      capabilities: JSON.parse(row.capabilities) as SiteSummary['capabilities'],
    }));
    return { sites, next: rows.length > limit ? (sites.at(-1)?.name ?? null) : null };
  }
}
