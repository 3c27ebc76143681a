import type { JobSpec } from '../../core/protocol/job.ts';
import type { Connection } from './connection.ts';
import type { Dataset } from './dataset.ts';
import type { OnEvent } from './event.ts';
import type { ExecutorKind } from './assignment.ts';
import type { Outbox } from './outbox.ts';
import type { Approve } from './policy/approval.ts';
import type { Policy } from './policy/policy.ts';
import type { Polls } from './polls.ts';
import type { MakeRun } from './run.ts';
import type { Store } from './store.ts';
import type { Turnstile } from './turnstile.ts';

/** The site's examples for a job. Called once a job. */
export type DataSource = (job: {
  readonly id: string;
  readonly spec: JobSpec;
}) => Dataset | Promise<Dataset>;

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
  /** 32 random bytes that never leave the site. */
  readonly secret: () => Promise<Uint8Array>;
  readonly approve: Approve | undefined;
  readonly makeRun: MakeRun | undefined;
  readonly onEvent: OnEvent;
}
