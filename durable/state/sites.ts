import type { SiteCaller } from '../../core/protocol/caller.ts';
import { LIMITS } from '../../core/protocol/limits.ts';

type SiteStatus = 'active' | 'revoked';
export type SiteRow = {
  name: string;
  generation: number;
  status: SiteStatus;
  /** Null until its first poll. */
  joined: number | null;
  seen: number;
};

/** `seen` is written at most this often: a row for every poll would be most of the bill. */
const SEEN_MS = 60_000;

/** The sites that have called, with the generation of their token, and whether they have joined. */
export class Sites {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(name: string): SiteRow | null {
    const [row] = this.#sql.exec<SiteRow>('SELECT * FROM sites WHERE name = ?', name).toArray();
    return row ?? null;
  }

  /**
   * What is known of a caller: `good`; `void`, for a token of an older generation or a revoked site; `stranger`, if only
   * the directory can tell (a first contact, or a newer generation than the one we met).
   */
  standing({ name, generation }: SiteCaller): 'good' | 'void' | 'stranger' {
    const row = this.get(name);
    if (!row || generation > row.generation) return 'stranger';
    return generation === row.generation && row.status === 'active' ? 'good' : 'void';
  }

  /** Takes up a caller whom the directory has confirmed. A newer generation replaces an older one. */
  meet({ name, generation }: SiteCaller, now: number): void {
    const before = this.get(name);
    if (before && before.generation >= generation) return;
    this.#sql.exec(
      `INSERT INTO sites (name, generation, status, joined, seen) VALUES (?1, ?2, 'active', NULL, ?3)
       ON CONFLICT (name) DO UPDATE SET generation = ?2, status = 'active', seen = ?3`,
      name,
      generation,
      now,
    );
    if (before?.status === 'revoked' && before.joined !== null) this.#count(1);
  }

  /** A poll: the first one joins. -> whether it was the first; `full` where the job has all the sites it can take */
  join(name: string, now: number): boolean | 'full' {
    const row = this.get(name);
    if (!row) return false;
    if (row.joined === null) {
      if (this.joinedCount() >= LIMITS.sitesPerJob) return 'full';
      this.#sql.exec('UPDATE sites SET joined = ?1, seen = ?1 WHERE name = ?2', now, name);
      this.#count(1);
      return true;
    }
    this.seen(row, now);
    return false;
  }

  #count(more: number): void {
    this.#sql.exec('UPDATE job SET joined = joined + ?', more);
  }

  seen(row: SiteRow, now: number): void {
    if (Math.abs(now - row.seen) < SEEN_MS) return;
    this.#sql.exec('UPDATE sites SET seen = ? WHERE name = ?', now, row.name);
  }

  /**
   * Voids all tokens below `generation`, of a site that is unknown here too: its first contact may be under way. -> whether
   * it was good until now
   */
  revoke(name: string, generation: number, now: number): boolean {
    const row = this.get(name);
    if (row && row.generation >= generation) return false;
    this.#sql.exec(
      `INSERT INTO sites (name, generation, status, joined, seen) VALUES (?1, ?2, 'revoked', NULL, ?3)
       ON CONFLICT (name) DO UPDATE SET status = 'revoked', generation = ?2`,
      name,
      generation,
      now,
    );
    if (row?.status === 'active' && row.joined !== null) this.#count(-1);
    return row?.status === 'active';
  }

  isJoined(name: string): boolean {
    const row = this.get(name);
    return row?.status === 'active' && row.joined !== null;
  }

  joinedCount(): number {
    return this.#sql.exec<{ joined: number }>('SELECT joined FROM job').one().joined;
  }

  /** Names of those who have joined and are not revoked, in byte order. */
  joined(): string[] {
    const rows = this.#sql.exec<{ name: string }>(
      `SELECT name FROM sites WHERE joined IS NOT NULL AND status = 'active' ORDER BY name`,
    );
    return rows.toArray().map(({ name }) => name);
  }

  /** Those of `joined` who have not answered a task. */
  withoutReply(task: number): string[] {
    const rows = this.#sql.exec<{ name: string }>(
      `SELECT name FROM sites WHERE joined IS NOT NULL AND status = 'active'
       AND NOT EXISTS (SELECT 1 FROM replies WHERE task = ? AND site = name)`,
      task,
    );
    return rows.toArray().map(({ name }) => name);
  }

  /** Everyone who ever joined, in byte order. */
  all(): SiteRow[] {
    return this.#sql
      .exec<SiteRow>('SELECT * FROM sites WHERE joined IS NOT NULL ORDER BY name')
      .toArray();
  }
}
