import type { ModelRef } from '../../core/protocol/job-status.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import type { TaskRequest } from '../../core/workflows/ops.ts';

/**
 * `open`: takes replies. `folding`: its replies are frozen and being folded. `closed`: it has an outcome. `cancelled`: the
 * job ended first, or its round begins anew.
 */
export type TaskState = 'open' | 'folding' | 'closed' | 'cancelled';

/** A request as it is stored: the sites of a list are assignment rows. */
export type StoredRequest = Omit<TaskRequest, 'to'>;

export type TaskRow = {
  n: number;
  id: string;
  workflow: string;
  /** JSON of a StoredRequest. */
  request: string;
};

export type TaskStateRow = {
  n: number;
  state: TaskState;
  /** 1: any site that polls may take it. 0: a list. */
  anyone: number;
  opened: number;
  /** From when the assignment timeout counts. */
  offered: number;
  deadline: number | null;
  /** When its minimum was met. */
  enough: number | null;
  /** FULL or DIFF, once a result has fixed it. */
  params: ParamsType | null;
  /** When to look at it next; 0: something has changed. */
  due: number | null;
  /** Replies so far: OK ones, and those with an error code. */
  ok: number;
  failed: number;
  /** 1: its assignment timeout began anew as the object woke, which it does once. */
  spared: number;
  closed: number | null;
  status: 'ok' | 'short' | null;
  /** JSON of the ModelRef that its fold made. */
  model: string | null;
  reason: string | null;
  /** JSON of the ModelRef that its sites get. */
  sent: string | null;
};

/** A task with its request parsed. */
export interface BoardTask extends TaskStateRow {
  readonly id: string;
  readonly workflow: string;
  readonly request: StoredRequest;
}

const parsed = ({ request, ...row }: TaskRow & TaskStateRow): BoardTask => ({
  ...row,
  request: JSON.parse(request) as StoredRequest,
});

const SELECT = 'SELECT * FROM tasks JOIN task_states USING (n)';

/** Tasks in two tables: what was asked never changes and may be long, where it stands changes all the time. */
export class TaskRows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  insert(
    n: number,
    workflow: string,
    { to, ...request }: TaskRequest,
    sent: ModelRef | null,
    now: number,
  ): BoardTask {
    const id = `t${n}`;
    this.#sql.exec(
      'INSERT INTO tasks (n, id, workflow, request) VALUES (?, ?, ?, ?)',
      n,
      id,
      workflow,
      JSON.stringify(request),
    );
    this.#sql.exec(
      `INSERT INTO task_states (n, state, anyone, opened, offered, deadline, due, sent)
       VALUES (?, 'open', ?, ?, ?, ?, 0, ?)`,
      n,
      to === '*' ? 1 : 0,
      now,
      now,
      request.timeout > 0 ? now + request.timeout * 1000 : null,
      sent && JSON.stringify(sent),
    );
    return this.byNumber(n);
  }

  byNumber(n: number): BoardTask {
    return parsed(this.#sql.exec<TaskRow & TaskStateRow>(`${SELECT} WHERE n = ?`, n).one());
  }

  byId(id: string): BoardTask | null {
    const [row] = this.#sql.exec<TaskRow & TaskStateRow>(`${SELECT} WHERE id = ?`, id).toArray();
    return row ? parsed(row) : null;
  }

  /** Those in a state, oldest first. */
  in(...states: TaskState[]): BoardTask[] {
    return this.#sql
      .exec<TaskRow & TaskStateRow>(
        `${SELECT} WHERE state IN (SELECT value FROM json_each(?)) ORDER BY n`,
        JSON.stringify(states),
      )
      .toArray()
      .map(parsed);
  }

  /** Open tasks that must be looked at, oldest first. */
  due(now: number): BoardTask[] {
    return this.#sql
      .exec<TaskRow & TaskStateRow>(`${SELECT} WHERE state = 'open' AND due <= ? ORDER BY n`, now)
      .toArray()
      .map(parsed);
  }

  /** The task that the job is at: the oldest that is open or folding, else the newest. */
  current(): BoardTask | null {
    const [row] = this.#sql
      .exec<TaskRow & TaskStateRow>(
        `${SELECT} WHERE n = coalesce(
           (SELECT min(n) FROM task_states WHERE state IN ('open', 'folding')),
           (SELECT max(n) FROM task_states))`,
      )
      .toArray();
    return row ? parsed(row) : null;
  }

  /** True if the task has its outcome. Asked in every turn: its request, which may be long, is not read. */
  isClosed(id: string): boolean {
    const rows = this.#sql.exec(
      `SELECT 1 FROM tasks JOIN task_states USING (n) WHERE id = ? AND state = 'closed'`,
      id,
    );
    return rows.toArray().length > 0;
  }

  /** The object has woken: open tasks are offered anew, once each, for nobody could take them while it was away. */
  spare(now: number): void {
    this.#sql.exec(
      `UPDATE task_states SET offered = ?, spared = 1 WHERE state = 'open' AND spared = 0`,
      now,
    );
  }

  set(n: number, patch: Partial<TaskStateRow>): void {
    const columns = Object.keys(patch).map((name) => `${name} = ?`);
    this.#sql.exec(
      `UPDATE task_states SET ${columns.join(', ')} WHERE n = ?`,
      ...Object.values(patch),
      n,
    );
  }

  /** Has a task looked at by `time`, if not before. */
  lookBy(n: number, time: number): void {
    this.#sql.exec(
      'UPDATE task_states SET due = ?1 WHERE n = ?2 AND (due IS NULL OR due > ?1)',
      time,
      n,
    );
  }

  /** The earliest moment at which an open task must be looked at, 0 while one is folding; null: none. */
  nextDue(): number | null {
    return this.#sql
      .exec<{ due: number | null }>(
        `SELECT min(iif(state = 'folding', 0, due)) AS due FROM task_states
         WHERE state IN ('open', 'folding')`,
      )
      .one().due;
  }
}

/** The model that a stored column names. */
export const refOf = (json: string | null): ModelRef | null =>
  json === null ? null : (JSON.parse(json) as ModelRef);

/** The model that a task's sites get: the workflow's, or what the filters at the server make of it. */
export const sentModel = ({ sent, request }: BoardTask): ModelRef | null =>
  refOf(sent) ?? request.model;

/** What events say about a task. */
export const told = ({ id, workflow, request }: BoardTask) => ({
  task: id,
  name: request.name,
  workflow,
  round: request.round,
});
