import { matchesAny } from '../core/protocol/glob.ts';
import { isFinished, type JobSummary } from '../core/protocol/job-status.ts';
import type { JobChange, Page } from './stubs.ts';

type Row = { id: string; name: string; status: JobSummary['status']; submitted: number };
type Open = { id: string; name: string; status: JobSummary['status']; deploy: string };

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

  unfinished(): string[] {
    return this.#sql
      .exec<{ id: string }>(`SELECT id FROM jobs WHERE finished = 0 AND state <> 'deleting'`)
      .toArray()
      .map(({ id }) => id);
  }

  /** Unfinished jobs that deploy to the site, oldest first. */
  openFor(site: string, most: number): { id: string; name: string; status: string }[] {
    const open: { id: string; name: string; status: string }[] = [];
    const rows = this.#sql.exec<Open>(
      `SELECT id, name, status, deploy FROM jobs WHERE finished = 0 AND state = 'ready' ORDER BY id`,
    );
    for (const { id, name, status, deploy } of rows) {
      if (open.length === most) break;
      if (matchesAny(JSON.parse(deploy) as string[], site)) open.push({ id, name, status });
    }
    return open;
  }
}
