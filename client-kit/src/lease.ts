import type { LeaseAnswer, Task } from '../../core/protocol/task.ts';
import { pause } from './backoff.ts';
import type { Pause } from './backoff.ts';
import type { Connection } from './connection.ts';
import { ProblemError } from './problem-error.ts';

/** The server gave the task up, or never gave it: what the task's signal aborts with. */
export class TaskClosed extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'TaskClosed';
  }
}

/**
 * Renews a task's lease every third of it, and aborts the task when the server says that it is closed (TaskClosed) or that
 * it doesn't know the site any more (ProblemError 401). While the server can't be reached the task goes on. Ends with
 * `stop`.
 */
export const holdLease = (
  connection: Connection,
  task: Task,
  over: AbortController,
  wait: Pause = pause,
): { stop: () => void } => {
  const ending = new AbortController();
  const renew = async (): Promise<void> => {
    let seconds = task.lease.seconds;
    for (;;) {
      await wait((seconds * 1000) / 3, ending.signal);
      const answer = await connection.json<LeaseAnswer>('POST', task.lease.url, {
        signal: ending.signal,
      });
      if (answer.status === 'closed') return over.abort(new TaskClosed(answer.reason));
      seconds = answer.lease;
    }
  };
  renew().catch((error: unknown) => {
    if (ending.signal.aborted) return;
    // 401: it is not this task that is over, but the site.
    const closed = error instanceof ProblemError && error.status !== 401;
    over.abort(closed ? new TaskClosed(error.message) : error);
  });
  return { stop: () => ending.abort(new Error('the task is done')) };
};
