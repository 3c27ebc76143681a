import type { ModelRef } from '../../core/protocol/job-status.ts';
import type { Alarms } from '../state/alarms.ts';
import type { EventLog } from '../state/event-log.ts';
import type { Folding, FoldState } from '../folding/folding.ts';
import type { JobRecord } from '../state/job-record.ts';
import type { ModelStore } from '../models/model-store.ts';
import type { Replies } from './replies.ts';
import { divided, sumMetrics } from './replies.ts';
import type { ResultStore } from '../results/result-store.ts';
import { isStorageFault } from '../bytes/storage-fault.ts';
import type { BoardTask, TaskRows } from './task-rows.ts';
import { told } from './task-rows.ts';
import type { Trouble } from '../state/turn.ts';

interface Parts {
  readonly storage: DurableObjectStorage;
  readonly alarms: Alarms;
  readonly record: JobRecord;
  readonly rows: TaskRows;
  readonly replies: Replies;
  readonly results: ResultStore;
  readonly folding: Folding;
  readonly models: ModelStore;
  readonly events: EventLog;
}

/** What follows a round's end comes first: the next task goes out, and its model with it. */
const SWEEP_AFTER_MS = 1000;

/**
 * From the last reply to the outcome. The turn that closes a task freezes its replies and folds the first slice; the alarm
 * folds the rest; the transaction of the last slice closes the task. What can't be done suspends the job with the replies
 * kept: `resume` goes on from there.
 */
export class FoldDesk {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Freezes the replies and begins what is to be made of them. Below the minimum nothing is averaged. After an exception
   * the task is as open as before.
   */
  begin(task: BoardTask, status: 'ok' | 'short', now: number): Trouble | null {
    return this.#savepoint(task, () => this.#begin(task, status, now));
  }

  /** Folds one slice; the last one closes the task. */
  step(task: BoardTask, now: number): Trouble | null {
    return this.#savepoint(task, () => this.#step(task, now));
  }

  /** An exception must not fail every turn from now on: it rolls back what was begun here, and a person looks at it. */
  #savepoint(task: BoardTask, fold: () => Trouble | null): Trouble | null {
    try {
      return this.#parts.storage.transactionSync(fold);
    } catch (error) {
      if (isStorageFault(error)) throw error;
      return {
        kind: 'suspend',
        reason: cannot(task, error instanceof Error ? error.message : String(error)),
      };
    }
  }

  #begin(task: BoardTask, status: 'ok' | 'short', now: number): Trouble | null {
    const { rows, folding, replies, record } = this.#parts;
    const { results, model } = task.request;
    rows.set(task.n, { state: 'folding', status, due: null });
    const sent = replies.rows(task.n).filter(({ upload }) => upload !== null);
    const staged = sent.map(({ site, weight, upload }) => ({
      site,
      weight,
      upload: String(upload),
    }));
    if (staged.length === 0 || results.kind === 'metrics')
      return this.#close(task, {}, status, now);
    if (results.kind === 'fold' && status === 'short') return this.#close(task, {}, status, now);
    const base = model?.digest ?? record.spec().model;
    if (base === undefined) {
      return {
        kind: 'fail',
        reason: `${task.request.name}: the job has no model to compare results with`,
      };
    }
    if (results.kind === 'fold') {
      const { use } = results.fold;
      folding.open(task.id, {
        base,
        paramsType: task.params ?? 'FULL',
        outputs: [{ key: 'model', use, replies: staged }],
      });
    } else {
      folding.open(task.id, {
        base,
        paramsType: 'FULL',
        outputs: staged.map((reply) => ({ key: reply.site, use: 'keep', replies: [reply] })),
      });
    }
    return this.#step(task, now);
  }

  #step(task: BoardTask, now: number): Trouble | null {
    const step = this.#slice(task, now);
    if (step.state === 'more') return null;
    if (step.state === 'full') return { kind: 'suspend', reason: cannot(task, FULL) };
    this.#parts.folding.drop(task.id);
    if (step.state === 'done') return this.#close(task, step.models, task.status ?? 'ok', now);
    const where = step.tensor === undefined ? '' : ` in tensor ${step.tensor}`;
    return { kind: 'fail', reason: cannot(task, `${step.reason}${where}`) };
  }

  /** One slice. Where it finds no room, models that only a slow download may still need go before their time. */
  #slice(task: BoardTask, now: number): FoldState {
    const { folding, models, alarms } = this.#parts;
    const step = folding.step(task.id);
    if (step.state !== 'full') return step;
    models.sweep(Infinity);
    alarms.sweepAt(now);
    return folding.step(task.id);
  }

  #close(
    task: BoardTask,
    models: { readonly [key: string]: ModelRef | null },
    status: 'ok' | 'short',
    now: number,
  ): null {
    const { rows, replies, record, events } = this.#parts;
    const made = task.request.results.kind === 'fold' ? (models['model'] ?? null) : null;
    if (task.request.results.kind === 'keep') {
      for (const [site, model] of Object.entries(models)) {
        if (model) replies.kept(task.n, site, model);
      }
    }
    rows.set(task.n, {
      state: 'closed',
      status,
      closed: now,
      due: null,
      model: made && JSON.stringify(made),
    });
    this.#release(task, now);
    const answers = replies.of(task.n);
    const metrics = sumMetrics(answers);
    if (Object.keys(metrics).length > 0) record.set({ metrics: JSON.stringify(divided(metrics)) });
    events.append(
      'task',
      {
        ...told(task),
        state: 'closed',
        status,
        replies: answers.length,
        /** The model that the metrics are about, and the one that was made. */
        sent: task.request.model?.digest ?? null,
        data: task.request.data,
        made: made?.digest ?? null,
        metrics,
      },
      now,
    );
    return null;
  }

  /** The job ends while this is being folded, or before. */
  drop(task: BoardTask, now: number): void {
    if (task.state === 'folding') this.#parts.folding.drop(task.id);
    this.#release(task, now);
  }

  /** Lets the staged tensors go; the alarm deletes their rows. */
  #release(task: BoardTask, now: number): void {
    const { replies, results, alarms } = this.#parts;
    replies.forgetUploads(task.n);
    results.release(task.id);
    alarms.sweepAt(now + SWEEP_AFTER_MS);
  }
}

const FULL = 'the results and models of this job fill its storage';

const cannot = ({ request }: BoardTask, why: string): string =>
  `${request.name}: the results cannot be folded: ${why}`;
