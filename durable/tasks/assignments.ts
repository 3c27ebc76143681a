import { LIMITS } from '../../core/protocol/limits.ts';

/**
 * `waiting`: asked, but it hasn't polled yet. `working`: it has the task and a live lease. `lost`: its lease ran out; it
 * may come back. `replied`. `gone`: given up, with the reason; while the task is open it may still come back.
 */
export type AssignmentState = 'waiting' | 'working' | 'lost' | 'replied' | 'gone';

export type AssignmentRow = {
  task: number;
  site: string;
  state: AssignmentState;
  /** End of its lease; null: the task was never given to it. */
  lease: number | null;
  reason: string | null;
  /** 1: this lease began anew as the object woke, which it does once until it is renewed. */
  spared: number;
};

const LEASE_MS = LIMITS.leaseS * 1000;
/** Leases end later than this only if the clock was set back. */
const SLACK_MS = 1000;

/** Who was asked for what, and how it stands. One row for each (task, site). */
export class Assignments {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(task: number, site: string): AssignmentRow | null {
    const [row] = this.#sql
      .exec<AssignmentRow>('SELECT * FROM assignments WHERE task = ? AND site = ?', task, site)
      .toArray();
    return row ?? null;
  }

  /** Asks sites: those in `at once` get it now, the others when they poll. One statement for any number of sites. */
  ask(task: number, sites: readonly string[], atOnce: ReadonlySet<string>, now: number): void {
    const give = sites.filter((site) => atOnce.has(site));
    const wait = sites.filter((site) => !atOnce.has(site));
    const insert = `INSERT INTO assignments (task, site, state, lease) SELECT ?, value, ?, ? FROM json_each(?)`;
    if (give.length > 0) {
      this.#sql.exec(insert, task, 'working', now + LEASE_MS, JSON.stringify(give));
    }
    if (wait.length > 0) this.#sql.exec(insert, task, 'waiting', null, JSON.stringify(wait));
  }

  /** Gives the task to a site, or gives it again, with a fresh lease. -> when it ends */
  give(task: number, site: string, now: number): number {
    const lease = now + LEASE_MS;
    this.#sql.exec(
      `INSERT INTO assignments (task, site, state, lease) VALUES (?1, ?2, 'working', ?3)
       ON CONFLICT (task, site) DO UPDATE SET state = 'working', lease = ?3, reason = NULL, spared = 0`,
      task,
      site,
      lease,
    );
    return lease;
  }

  replied(task: number, site: string): void {
    this.#sql.exec(
      `UPDATE assignments SET state = 'replied', reason = NULL WHERE task = ? AND site = ?`,
      task,
      site,
    );
  }

  /** Number of the open task that a site should get: first the one it has, then those it was asked for, oldest first. */
  next(site: string): number | null {
    const [row] = this.#sql
      .exec<{ n: number }>(
        `SELECT n FROM task_states JOIN assignments ON task = n AND site = ?
         WHERE task_states.state = 'open' AND assignments.state <> 'replied'
         ORDER BY assignments.state IN ('waiting', 'gone'), n LIMIT 1`,
        site,
      )
      .toArray();
    return row?.n ?? null;
  }

  /** Open tasks for anyone that a site was not asked for yet, oldest first. */
  offers(site: string): number[] {
    const rows = this.#sql.exec<{ n: number }>(
      `SELECT n FROM task_states WHERE state = 'open' AND anyone = 1
       AND NOT EXISTS (SELECT 1 FROM assignments WHERE task = n AND site = ?) ORDER BY n`,
      site,
    );
    return rows.toArray().map(({ n }) => n);
  }

  /** Marks leases that have run out. -> the sites */
  expire(task: number, now: number): string[] {
    const rows = this.#sql.exec<{ site: string }>(
      `UPDATE assignments SET state = 'lost' WHERE task = ? AND state = 'working' AND lease <= ? RETURNING site`,
      task,
      now,
    );
    return rows.toArray().map(({ site }) => site);
  }

  /** Gives up the sites in a state. -> the sites */
  giveUp(task: number, state: AssignmentState, reason: string): string[] {
    // Nearly always so, and the update alone would look at every site of the task.
    if (!this.any(task, state)) return [];
    const rows = this.#sql.exec<{ site: string }>(
      `UPDATE assignments SET state = 'gone', reason = ? WHERE task = ? AND state = ? RETURNING site`,
      reason,
      task,
      state,
    );
    return rows.toArray().map(({ site }) => site);
  }

  /** Frees what a revoked site holds of the open tasks. -> numbers of those tasks */
  revoke(site: string): number[] {
    const rows = this.#sql.exec<{ task: number }>(
      `UPDATE assignments SET state = 'gone', reason = 'revoked' WHERE site = ? AND state <> 'replied'
       AND task IN (SELECT n FROM task_states WHERE state = 'open') RETURNING task`,
      site,
    );
    return rows.toArray().map(({ task }) => task);
  }

  /** A task reopens: who was given up is asked again; a revoked site is no longer asked. */
  reopen(task: number): void {
    this.#sql.exec(
      `DELETE FROM assignments WHERE task = ? AND state = 'gone' AND reason = 'revoked'`,
      task,
    );
    this.#sql.exec(
      `UPDATE assignments SET state = iif(lease IS NULL, 'waiting', 'lost'), reason = NULL
       WHERE task = ? AND state = 'gone'`,
      task,
    );
  }

  /** True if there is a site in one of these states. */
  any(task: number, ...states: AssignmentState[]): boolean {
    return states.some((state) => {
      const rows = this.#sql.exec(
        'SELECT 1 FROM assignments WHERE task = ? AND state = ? LIMIT 1',
        task,
        state,
      );
      return rows.toArray().length > 0;
    });
  }

  /** True if nobody is asked. */
  isEmpty(task: number): boolean {
    return (
      this.#sql.exec('SELECT 1 FROM assignments WHERE task = ? LIMIT 1', task).toArray().length ===
      0
    );
  }

  /** Number of sites in each state. */
  counts(task: number): Record<AssignmentState, number> {
    const counts = { waiting: 0, working: 0, lost: 0, replied: 0, gone: 0 };
    const rows = this.#sql.exec<{ state: AssignmentState; n: number }>(
      'SELECT state, count(*) AS n FROM assignments WHERE task = ? GROUP BY state',
      task,
    );
    for (const { state, n } of rows) counts[state] = n;
    return counts;
  }

  of(task: number): AssignmentRow[] {
    return this.#sql
      .exec<AssignmentRow>('SELECT * FROM assignments WHERE task = ? ORDER BY site', task)
      .toArray();
  }

  /** End of the lease that ends first; null: no site is working. */
  firstLease(task: number): number | null {
    return this.#sql
      .exec<{ lease: number | null }>(
        `SELECT min(lease) AS lease FROM assignments WHERE task = ? AND state = 'working'`,
        task,
      )
      .one().lease;
  }

  /** The object has woken: live leases begin anew, each once, for it may have been away when they were to be renewed. */
  spare(now: number): void {
    this.#sql.exec(
      `UPDATE assignments SET lease = ?, spared = 1 WHERE state = 'working' AND spared = 0`,
      now + LEASE_MS,
    );
  }

  /** Nothing ran here for a while, so nobody could renew: every lease begins anew. */
  renewAll(now: number): void {
    this.#sql.exec(`UPDATE assignments SET lease = ? WHERE state = 'working'`, now + LEASE_MS);
  }

  /** True if leases end later than any that could be given now: the clock was set back. */
  clockWentBack(now: number): boolean {
    const { lease } = this.#sql
      .exec<{ lease: number | null }>(
        `SELECT max(lease) AS lease FROM assignments WHERE state = 'working'`,
      )
      .one();
    return lease !== null && lease > now + LEASE_MS + SLACK_MS;
  }
}
