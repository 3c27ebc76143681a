import type { JobStatus } from '../../core/protocol/job-status.ts';
import type { JobSpec } from '../../core/protocol/job.ts';

/** The one row about the job itself. Times in ms since 1970. */
export type JobRow = {
  id: string;
  name: string;
  status: JobStatus;
  reason: string | null;
  /** Why it is SUSPENDED: a `fault` is tried again by the next turn, a `shortfall` waits for `resume`. */
  cause: 'fault' | 'shortfall' | null;
  /** Grows with every visible change. */
  version: number;
  /** Grows with every status: the directory ignores older news. */
  seq: number;
  cloned: string | null;
  submitted: number;
  started: number | null;
  finished: number | null;
  /** Last visible change: an object idle for long stops holding polls. */
  active: number;
  /** Index of the workflow at work. */
  position: number;
  /** Version of its code; null until it has started. */
  pinned: number | null;
  /** Its state between rounds, JSON. */
  state: string | null;
  round: number | null;
  rounds: number | null;
  /** Task that its round waits for. */
  parked: string | null;
  /** Tasks opened so far. */
  tasks: number;
  /** JSON of the metrics of the newest closed task: name -> number. */
  metrics: string;
  /** Sites that have joined and are not revoked: counting thousands at each join would take longer than all else. */
  joined: number;
};

/** Reads and writes the job's row and its spec. */
export class JobRecord {
  readonly #sql: SqlStorage;
  /** Its row is never written again: parsed once in an object's life, for it may be long and every turn asks. */
  #spec: JobSpec | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  create(job: { id: string; spec: JobSpec; submitted: number; clonedFrom: string | null }): void {
    this.#sql.exec(
      `INSERT INTO job (one, id, name, status, version, seq, cloned, submitted, active, position, tasks, metrics)
       VALUES (1, ?, ?, 'SUBMITTED', 1, 1, ?, ?, ?, 0, 0, '{}')`,
      job.id,
      job.spec.name,
      job.clonedFrom,
      job.submitted,
      job.submitted,
    );
    this.#sql.exec('INSERT INTO spec (one, json) VALUES (1, ?)', JSON.stringify(job.spec));
    this.#spec = undefined;
  }

  read(): JobRow {
    return this.#sql.exec<JobRow>('SELECT * FROM job').one();
  }

  spec(): JobSpec {
    return (this.#spec ??= JSON.parse(
      this.#sql.exec<{ json: string }>('SELECT json FROM spec').one().json,
    ) as JobSpec);
  }

  set(patch: Partial<JobRow>): void {
    const columns = Object.keys(patch).map((name) => `${name} = ?`);
    this.#sql.exec(`UPDATE job SET ${columns.join(', ')}`, ...Object.values(patch));
  }

  /** Numbers the next task. */
  nextTask(): number {
    const [row] = this.#sql.exec<{ tasks: number }>(
      'UPDATE job SET tasks = tasks + 1 RETURNING tasks',
    );
    return (row as { tasks: number }).tasks;
  }
}
