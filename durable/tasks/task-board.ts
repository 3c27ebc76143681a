import { matchesAny } from '../../core/protocol/glob.ts';
import type { Outcome, TaskRequest } from '../../core/workflows/ops.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { Assignments } from './assignments.ts';
import { judge, listed } from './closing.ts';
import type { Standing } from './closing.ts';
import type { EventLog } from '../state/event-log.ts';
import type { FoldDesk } from './fold-desk.ts';
import type { JobRecord } from '../state/job-record.ts';
import type { Replies } from './replies.ts';
import { sumMetrics } from './replies.ts';
import type { Sites } from '../state/sites.ts';
import type { BoardTask, TaskRows } from './task-rows.ts';
import { refOf, told } from './task-rows.ts';
import type { Trouble, Turn } from '../state/turn.ts';

interface Parts {
  readonly record: JobRecord;
  readonly rows: TaskRows;
  readonly assignments: Assignments;
  readonly replies: Replies;
  readonly sites: Sites;
  readonly events: EventLog;
  readonly folds: FoldDesk;
}

/** FLARE's tasks on the server: who is asked, who has it, and when it is over. Rows only; see closing.ts for the rules. */
export class TaskBoard {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Opens a task; sites with a waiting poll get it in this very turn, with the model `sent`. -> its id */
  open(request: TaskRequest, workflow: string, sent: ModelRef | null, turn: Turn): string {
    const { record, rows, assignments, sites, events } = this.#parts;
    const n = record.nextTask();
    const task = rows.insert(n, workflow, request, sent, turn.now);
    const free = sites.joined().filter((site) => turn.waiting.has(site) && !turn.woken.has(site));
    const to =
      request.to === '*'
        ? free.filter((site) => matchesAny(request.clients ?? ['@all'], site))
        : request.to;
    const atOnce = new Set(free).intersection(new Set(to));
    assignments.ask(n, to, atOnce, turn.now);
    for (const site of atOnce) turn.woken.set(site, n);
    events.append('task', { ...told(task), state: 'open', asked: to.length }, turn.now);
    return task.id;
  }

  /** The task that a site should work on: the one it has, the next it was asked for, or one that is for anyone. */
  assign(site: string, turn: Turn): BoardTask | null {
    const { rows, assignments } = this.#parts;
    const n = assignments.next(site) ?? this.#offer(site);
    if (n === null) return null;
    rows.lookBy(n, assignments.give(n, site, turn.now));
    return rows.byNumber(n);
  }

  #offer(site: string): number | null {
    const { rows, assignments } = this.#parts;
    const open = assignments
      .offers(site)
      .find((n) => matchesAny(rows.byNumber(n).request.clients ?? ['@all'], site));
    return open ?? null;
  }

  /** Looks at every open task that is due, and closes what can close. */
  settle(turn: Turn): Trouble | null {
    for (const task of this.#parts.rows.due(turn.now)) {
      const trouble = this.#settle(task, turn);
      if (trouble) return trouble;
    }
    return null;
  }

  #settle(task: BoardTask, turn: Turn): Trouble | null {
    const { rows, folds } = this.#parts;
    this.#expire(task, turn);
    const verdict = this.#clearlyWaits(task, turn.now)
      ? { kind: 'wait' as const, enough: null }
      : judge(task.request, this.#standing(task, turn.now));
    switch (verdict.kind) {
      case 'wait':
        rows.set(task.n, { enough: verdict.enough, due: this.#nextLook(task, verdict.enough) });
        return null;
      case 'close':
        return folds.begin(task, 'ok', turn.now);
      case 'fail':
        return verdict;
      case 'short':
        break;
    }
    const { onShortfall } = task.request;
    if (onShortfall === 'skip') return folds.begin(task, 'short', turn.now);
    return {
      kind: onShortfall === 'fail' ? 'fail' : 'suspend',
      reason: this.#blame(task, verdict.reason),
    };
  }

  /** Marks leases that ran out, and gives up who has been silent for too long. */
  #expire(task: BoardTask, { now }: Turn): void {
    const { assignments, events } = this.#parts;
    const { assignmentTimeout } = task.request;
    for (const site of assignments.expire(task.n, now)) {
      events.append('log', { type: 'lost', site, task: task.id, name: task.request.name }, now);
    }
    if (assignmentTimeout === 0) return;
    const silent = assignments.giveUp(task.n, 'lost', 'it fell silent');
    const late =
      now >= task.offered + assignmentTimeout * 1000
        ? assignments.giveUp(task.n, 'waiting', 'it did not take the task in time')
        : [];
    for (const site of [...silent, ...late]) {
      events.append('log', { type: 'given-up', site, task: task.id, name: task.request.name }, now);
    }
  }

  /** What is nearly always the case, told without counting thousands of sites at each of thousands of replies. */
  #clearlyWaits(
    { n, ok, failed, deadline, anyone, request: { min, clients, ignoreErrors } }: BoardTask,
    now: number,
  ): boolean {
    const { assignments, sites, record } = this.#parts;
    if (deadline !== null && deadline <= now) return false;
    if (min !== null && (ignoreErrors ? ok + failed : ok) >= min) return false;
    if (failed > 0 && !ignoreErrors) {
      // Enough are left if all may take it, and all who joined but those who failed would do.
      const all = anyone === 1 && (clients ?? ['@all']).includes('@all');
      if (!all || record.spec().mandatorySites.length > 0) return false;
      if (sites.joinedCount() - failed < (min ?? Infinity)) return false;
    }
    return anyone === 1 || assignments.any(n, 'working', 'waiting', 'lost');
  }

  #standing(task: BoardTask, now: number): Standing {
    const { assignments, replies, sites, record } = this.#parts;
    const { n, request } = task;
    const states = assignments.counts(n);
    const { ok, failed } = task;
    const anyone = task.anyone === 1;
    const pending = states.waiting + states.working + states.lost;
    const welcome = (): number =>
      sites.withoutReply(n).filter((site) => matchesAny(request.clients ?? ['@all'], site)).length;
    return {
      now,
      deadline: task.deadline,
      enough: task.enough,
      anyone,
      asked: pending + states.replied + states.gone,
      ok,
      errors: failed > 0 ? replies.errors(n) : [],
      pending,
      live: states.working,
      candidates: anyone && failed > 0 ? welcome() : pending,
      mandatory: request.ignoreErrors ? [] : this.#mandatory(task, record.spec()),
    };
  }

  /** Mandatory sites that this task is for and that haven't answered OK. */
  #mandatory({ n, anyone, request }: BoardTask, { mandatorySites }: JobSpec): string[] {
    if (mandatorySites.length === 0) return [];
    const { assignments, replies } = this.#parts;
    return mandatorySites.filter((site) => {
      if (replies.isOk(n, site)) return false;
      return anyone === 1
        ? matchesAny(request.clients ?? ['@all'], site)
        : assignments.get(n, site) !== null;
    });
  }

  #nextLook(task: BoardTask, enough: number | null): number | null {
    const { assignments } = this.#parts;
    const { assignmentTimeout, waitAfterMin } = task.request;
    const times = [
      task.deadline,
      enough === null ? null : enough + waitAfterMin * 1000,
      assignments.firstLease(task.n),
      assignmentTimeout > 0 && assignments.any(task.n, 'waiting')
        ? task.offered + assignmentTimeout * 1000
        : null,
    ].filter((time) => time !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** A reason with the names of those who owe an answer. */
  #blame({ n }: BoardTask, reason: string): string {
    const missing = this.#missing(n).map(({ site, reason: why }) => `${site}: ${why}`);
    return missing.length === 0 ? reason : `${reason} (${listed(missing)})`;
  }

  #missing(n: number): { site: string; reason: string }[] {
    const why = {
      waiting: 'it did not take the task',
      working: 'it did not finish in time',
      lost: 'it fell silent',
      gone: 'given up',
    };
    return this.#parts.assignments
      .of(n)
      .flatMap(({ site, state, reason }) =>
        state === 'replied' ? [] : [{ site, reason: reason ?? why[state] }],
      );
  }

  /** True if the task has its outcome. */
  isClosed(id: string): boolean {
    return this.#parts.rows.isClosed(id);
  }

  /** A closed task's outcome, rebuilt from its frozen rows. Throws where the task isn't closed. */
  outcome(id: string): Outcome {
    const task = this.#parts.rows.byId(id);
    if (task?.state !== 'closed') throw new RangeError(`task ${id} is not closed`);
    const replies = this.#parts.replies.of(task.n);
    return {
      status: task.status ?? 'ok',
      model: refOf(task.model),
      metrics: sumMetrics(replies),
      replies,
      missing: this.#missing(task.n),
    };
  }

  /** A site is revoked: what it holds of open tasks is free again. What it has answered stays. */
  revoke(site: string): void {
    for (const n of this.#parts.assignments.revoke(site)) this.#parts.rows.set(n, { due: 0 });
  }

  /** The job ends: nothing more is taken, nothing more is folded. */
  cancel(reason: string, now: number): void {
    const { rows, folds, events } = this.#parts;
    for (const task of rows.in('open', 'folding')) {
      folds.drop(task, now);
      rows.set(task.n, { state: 'cancelled', closed: now, due: null, reason });
      events.append('task', { ...told(task), state: 'cancelled', reason }, now);
    }
  }

  /** The job resumes: open tasks get their time again, and who was given up is asked again. */
  reopen(now: number): void {
    const { rows, assignments } = this.#parts;
    for (const task of rows.in('open')) {
      const { timeout } = task.request;
      assignments.reopen(task.n);
      rows.set(task.n, {
        offered: now,
        enough: null,
        due: 0,
        deadline: timeout > 0 ? now + timeout * 1000 : null,
      });
    }
  }

  /** True if an open task was for sites of which none is left to ask, and none has answered. */
  isDeserted(): boolean {
    const { rows, assignments } = this.#parts;
    return rows.in('open').some(({ n, anyone }) => anyone === 0 && assignments.isEmpty(n));
  }

  /** The object has woken: it may have been away for a while, or only asleep. So all get their time again, once. */
  spare(now: number): void {
    this.#parts.assignments.spare(now);
    this.#parts.rows.spare(now);
  }

  /** Nothing ran here for a while: nobody could poll or renew, so nobody is lost by it. */
  forgive(now: number): void {
    const { rows, assignments } = this.#parts;
    assignments.renewAll(now);
    for (const task of rows.in('open')) rows.set(task.n, { offered: now, due: 0 });
  }

  /** The clock was set back: no lease and no deadline is further away than when it was given. */
  clockWentBack(now: number): void {
    const { rows, assignments } = this.#parts;
    assignments.renewAll(now);
    for (const task of rows.in('open')) {
      const { timeout } = task.request;
      const deadline =
        task.deadline === null ? null : Math.min(task.deadline, now + timeout * 1000);
      rows.set(task.n, {
        offered: Math.min(task.offered, now),
        enough: task.enough === null ? null : Math.min(task.enough, now),
        deadline,
        due: 0,
      });
    }
  }
}
