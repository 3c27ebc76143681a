import type { JobSpec } from '../../core/protocol/job.ts';
import type { Filter } from '../../core/filters/filter.ts';
import type { Connection } from './connection.ts';
import type { Dataset } from './dataset.ts';
import type { OnEvent, TaskInfo } from './event.ts';
import type { ExecutorKind } from './assignment.ts';
import type { Outbox } from './outbox.ts';
import type { Polls } from './polls.ts';
import type { Store } from './store.ts';
import type { Turnstile } from './turnstile.ts';

/** The site's examples for a job. Called once a job. */
export type DataSource = (job: {
  readonly id: string;
  readonly spec: JobSpec;
}) => Dataset | Promise<Dataset>;

/**
 * Filters of the site's own, after the job's: they have the last word, and no job can remove them. May throw TaskError
 * (UNSAFE_JOB) to refuse the task.
 */
export type Policy = (task: TaskInfo, spec: JobSpec) => readonly Filter[];

/** What all jobs of a site share. */
export interface SiteContext {
  readonly name: string;
  readonly connection: Connection;
  readonly store: Store;
  readonly outbox: Outbox;
  readonly turnstile: Turnstile;
  readonly polls: Polls;
  readonly executors: Readonly<Record<string, ExecutorKind>>;
  readonly data: DataSource | undefined;
  readonly policy: Policy | undefined;
  readonly onEvent: OnEvent;
}
