import type { Filter } from '../../../core/filters/filter.ts';
import type { JobSpec } from '../../../core/protocol/job.ts';
import type { Task } from '../../../core/protocol/task.ts';
import type { TaskInfo } from '../event.ts';
import type { Sending } from '../sending.ts';
import type { Store } from '../store.ts';

/** A job as a site judges it. */
export interface ProposedJob {
  readonly id: string;
  readonly spec: JobSpec;
  /** This site's name: executors and filters of a job are for some sites. */
  readonly site: string;
  /** The server's origin. A server has one administrator, so this is who asks. */
  readonly server: string;
}

/**
 * What the owner of the data allows. Every method refuses by throwing TaskError: its code goes to the server, its text
 * there and into the site's log. None of it is a job's to change. `sitePolicy` makes one of a document.
 */
export interface Policy {
  /** Another one where the policy is another: what was made under the one before, and not yet sent, is made anew. */
  readonly id?: string;
  /** Before the site joins a job. A refusal answers each of its tasks. */
  admitJob?(job: ProposedJob): void;
  /** Before anything of a task is fetched. */
  admit?(task: Task, store: Store): Promise<void>;
  /** Around the job's own: of task data before them, of results after them, so they have the last word. */
  filters?(on: 'data' | 'result', task: TaskInfo, spec: JobSpec): readonly Filter[];
  /** Of one task, while the executor works. More is answered with TASK_ABORTED (steps) or TIMEOUT. */
  readonly limits?: { readonly steps?: number | undefined; readonly seconds?: number | undefined };
  /** A result as it would be sent, of `bytes`. */
  release?(bytes: number, store: Store): Promise<void>;
  /** Like {@link OnSend}, for bodies that are no results; a rejection leaves them unsent. */
  beforeSend?(sending: Sending, store: Store): Promise<void>;
}
