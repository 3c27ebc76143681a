import type { DirectoryOutbox } from './outbox.ts';
import type { JobIndex } from './job-index.ts';

type Row = { site: string; generation: number; before: string };

/** Finished jobs looked at in one transaction: a project gathers them for years. */
const PAGE = 200;
/** Comes after every job id. */
const NEWEST = '~';
/** A revocation spreads itself while its request waits; the alarm is for what that leaves behind. */
const WAIT_MS = 30_000;

/**
 * Tells every job that may have met a site that the site's tokens are void: unfinished jobs by messages of the
 * revocation's own transaction, finished ones, which still show it models and results, in pages after that.
 */
export class Revocations {
  readonly #sql: SqlStorage;
  readonly #jobs: JobIndex;
  readonly #outbox: DirectoryOutbox;

  constructor(sql: SqlStorage, jobs: JobIndex, outbox: DirectoryOutbox) {
    this.#sql = sql;
    this.#jobs = jobs;
    this.#outbox = outbox;
  }

  /** Inside the transaction that raises the site's generation. */
  begin(site: string, generation: number, now: number): void {
    for (const job of this.#jobs.unfinishedFor(site)) {
      this.#outbox.put(job, { kind: 'revoke', site, generation }, now);
    }
    this.#sql.exec(
      'INSERT OR REPLACE INTO revocations (site, generation, before, due) VALUES (?, ?, ?, ?)',
      site,
      generation,
      NEWEST,
      now + WAIT_MS,
    );
  }

  /** Writes the messages of the site's next page; inside a transaction. -> false where there was none left */
  spread(site: string, now: number): boolean {
    const row = this.#row(site);
    if (!row) return false;
    const { jobs, next } = this.#jobs.finishedFor(site, row.before, PAGE);
    for (const job of jobs) {
      this.#outbox.put(job, { kind: 'revoke', site, generation: row.generation }, now);
    }
    if (next === null) this.#sql.exec('DELETE FROM revocations WHERE site = ?', site);
    else this.#sql.exec('UPDATE revocations SET before = ? WHERE site = ?', next, site);
    return true;
  }

  /** Somebody is at it: the alarm looks again later. */
  putOff(site: string, now: number): void {
    this.#sql.exec('UPDATE revocations SET due = ? WHERE site = ?', now + WAIT_MS, site);
  }

  /** A site whose next page is due. */
  due(now: number): string | null {
    const [row] = this.#sql
      .exec<{ site: string }>(
        'SELECT site FROM revocations WHERE due <= ? ORDER BY due LIMIT 1',
        now,
      )
      .toArray();
    return row?.site ?? null;
  }

  nextDue(): number | null {
    return this.#sql.exec<{ due: number | null }>('SELECT min(due) AS due FROM revocations').one()
      .due;
  }

  /** Jobs that have not been told yet; of finished ones no more than a page. */
  pending(site: string): string[] {
    const told = this.#outbox.pendingRevocations(site);
    for (let before = this.#row(site)?.before ?? null; before !== null;) {
      const { jobs, next } = this.#jobs.finishedFor(site, before, PAGE);
      if (jobs.length > 0) return [...told, ...jobs];
      before = next;
    }
    return told;
  }

  #row(site: string): Row | undefined {
    return this.#sql.exec<Row>('SELECT * FROM revocations WHERE site = ?', site).toArray()[0];
  }
}
