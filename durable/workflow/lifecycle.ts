import type { JobStatus } from '../../core/protocol/job-status.ts';
import { isFinished } from '../../core/protocol/job-status.ts';
import type { EventLog } from '../state/event-log.ts';
import type { JobRecord, JobRow } from '../state/job-record.ts';
import type { ModelArchive } from '../models/model-archive.ts';
import type { Outbox } from '../state/outbox.ts';
import type { Retention } from './retention.ts';
import type { TaskBoard } from '../tasks/task-board.ts';

interface Parts {
  readonly record: JobRecord;
  readonly events: EventLog;
  readonly outbox: Outbox;
  readonly board: TaskBoard;
  readonly retention: Retention;
  readonly archive: ModelArchive;
}

/** The job's status and everything that a new one entails, in the turn that brings it. */
export class Lifecycle {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes on a status; the directory will hear of it. The same status with the same reason is no news. */
  become(
    status: JobStatus,
    now: number,
    { reason = null, cause = null }: Partial<Pick<JobRow, 'reason' | 'cause'>> = {},
  ): void {
    const { record, events, outbox } = this.#parts;
    const job = record.read();
    if (isFinished(job.status) || (job.status === status && job.reason === reason)) return;
    const seq = job.seq + 1;
    record.set({
      status,
      reason,
      cause,
      seq,
      ...(status === 'RUNNING' && job.started === null && { started: now }),
      ...(isFinished(status) && { finished: now, parked: null }),
    });
    events.append('status', { status, reason }, now);
    outbox.put('status', { id: job.id, status, seq }, now);
  }

  /** Stops the job, visibly: after a `fault` each turn tries again, a `shortfall` waits for `resume`. */
  suspend(reason: string, cause: 'fault' | 'shortfall', now: number): void {
    this.become('SUSPENDED', now, { reason, cause });
  }

  /** Ends the job: open tasks are cancelled, folds dropped, models that only it needed retired, the named ones archived. */
  finish(status: JobStatus, reason: string | null, now: number): void {
    this.#parts.board.cancel(reason ?? status, now);
    this.become(status, now, { reason });
    this.#parts.retention.retire(now);
    this.#parts.archive.begin(now);
  }
}
