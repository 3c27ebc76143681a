import { matchesAny } from '../../core/protocol/glob.ts';
import { isFinished, type JobSummary } from '../../core/protocol/job-status.ts';
import { byName } from '../../core/protocol/names.ts';
import type { JobChange, Page } from '../stubs.ts';

type Row = { id: string; name: string; status: JobSummary['status']; submitted: number };
type Open = Pick<Row, 'id' | 'name' | 'status'>;
type Deployed = { id: string; deploy: string };

/** `creating`: its object may not exist yet. `deleting`: it is going, and no longer shown. */
export type JobState = 'creating' | 'ready' | 'deleting';

/** An index of the jobs; the truth about a job is in its own object. */
export class JobIndex {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(job: JobSummary, deploy: readonly string[]): void {
    this.#sql.exec(
      `INSERT INTO jobs (id, name, status, seq, submitted, deploy, state, finished)
       VALUES (?, ?, ?, 0, ?, ?, 'creating', 0)`,
      job.id,
      job.name,
      job.status,
      job.submitted,
      JSON.stringify(deploy),
    );
  }

  state(id: string): JobState | null {
    const [row] = this.#sql
      .exec<{ state: JobState }>('SELECT state FROM jobs WHERE id = ?', id)
      .toArray();
    return row?.state ?? null;
  }

  setState(id: string, state: JobState): void {
    this.#sql.exec('UPDATE jobs SET state = ? WHERE id = ?', state, id);
  }

  drop(id: string): void {
    this.#sql.exec('DELETE FROM jobs WHERE id = ?', id);
  }

  /** Messages may come twice and in any order: the largest `seq` wins. */
  changed({ id, status, seq }: JobChange): void {
    this.#sql.exec(
      'UPDATE jobs SET status = ?1, seq = ?2, finished = ?3 WHERE id = ?4 AND seq < ?2',
      status,
      seq,
      isFinished(status) ? 1 : 0,
      id,
    );
  }

  /** Newest first: ids begin with their time. */
  list({ limit, cursor }: Page): { jobs: JobSummary[]; next: string | null } {
    const rows = this.#sql
      .exec<Row>(
        `SELECT id, name, status, submitted FROM jobs WHERE id < ? AND state = 'ready' ORDER BY id DESC LIMIT ?`,
        cursor ?? '~',
        limit + 1,
      )
      .toArray();
    const jobs = rows.slice(0, limit);
    return { jobs, next: rows.length > limit ? (jobs.at(-1)?.id ?? null) : null };
  }

  /** Unfinished jobs that deploy to the site. */
  unfinishedFor(site: string): string[] {
    const rows = this.#sql.exec<Deployed>(
      `SELECT id, deploy FROM jobs WHERE finished = 0 AND state <> 'deleting'`,
    );
    return [...deployedTo(site, rows)].map(({ id }) => id);
  }

  /**
   * Finished jobs that deploy to the site, newest first, among the `rows` below `before`. `next` goes on below them;
   * null: that was the last.
   */
  finishedFor(
    site: string,
    before: string,
    rows: number,
  ): { readonly jobs: string[]; readonly next: string | null } {
    const page = this.#sql
      .exec<Deployed>(
        `SELECT id, deploy FROM jobs WHERE finished = 1 AND id < ? AND state <> 'deleting'
         ORDER BY id DESC LIMIT ?`,
        before,
        rows,
      )
      .toArray();
    const jobs = [...deployedTo(site, page)].map(({ id }) => id);
    return { jobs, next: page.length === rows ? (page.at(-1)?.id ?? null) : null };
  }

  /**
   * Unfinished jobs that deploy to the site, at most `most`: those that can go on before suspended ones, newer before
   * older, so that forgotten jobs don't keep a new one out. The chosen come in the order of their making: sites that do
   * one after another then begin with the same.
   */
  openFor(site: string, most: number): Open[] {
    const open: Open[] = [];
    const rows = this.#sql.exec<Open & Deployed>(
      `SELECT id, name, status, deploy FROM jobs WHERE finished = 0 AND state = 'ready'
       ORDER BY status = 'SUSPENDED', id DESC`,
    );
    for (const { id, name, status } of deployedTo(site, rows)) {
      open.push({ id, name, status });
      if (open.length === most) break;
    }
    return open.toSorted((a, b) => byName(a.id, b.id));
  }
}

function* deployedTo<R extends Deployed>(site: string, rows: Iterable<R>): Generator<R> {
  for (const row of rows) if (matchesAny(JSON.parse(row.deploy) as string[], site)) yield row;
}
