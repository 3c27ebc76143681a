import type { AnalyticsEntry, AnalyticsRecord } from '../core/protocol/analytics.ts';
import type { Caller, SiteCaller } from '../core/protocol/caller.ts';
import type { Fault } from '../core/protocol/fault.ts';
import type { JobStatus, JobSummary, JobView } from '../core/protocol/job-status.ts';
import type { JobSpec } from '../core/protocol/job.ts';
import type {
  Enrolment,
  EnrolmentRequest,
  Revocation,
  SiteGrant,
  SiteRequest,
  SiteSummary,
} from '../core/protocol/site.ts';
import type { Inbox, LeaseAnswer, PollAnswer } from '../core/protocol/task.ts';
import type { Result } from '../core/tensors/result.ts';
import type { InferOutput } from 'valibot';
import type { Env } from './env.ts';

/** What comes back over RPC: an expected refusal is a value, never a throw. */
export type Answered<T> = Promise<Result<T, Fault>>;

interface Fetches {
  fetch(request: Request): Promise<Response>;
}

export interface NewJob {
  readonly id: string;
  readonly spec: JobSpec;
  readonly submitted: number;
  readonly clonedFrom: string | null;
}

export interface MetricsQuery {
  readonly after?: number;
  readonly limit: number;
  readonly key?: string;
  readonly site?: string;
}

/** JobObject's methods, as others call them. Streams go through `fetch`. */
export interface JobStub extends Fetches {
  create(job: NewJob): Answered<JobView>;
  view(caller: Caller, since?: number, waitS?: number): Answered<JobView>;
  spec(caller: Caller): Answered<JobSpec>;
  poll(caller: SiteCaller, waitS: number): Answered<PollAnswer>;
  lease(caller: SiteCaller, task: string): Answered<LeaseAnswer>;
  analytics(caller: SiteCaller, entries: readonly AnalyticsEntry[]): Answered<{ accepted: number }>;
  metrics(
    caller: Caller,
    query: MetricsQuery,
  ): Answered<{ metrics: AnalyticsRecord[]; next: number | null }>;
  abort(caller: Caller): Answered<JobView>;
  resume(caller: Caller): Answered<JobView>;
  destroy(): Promise<unknown>;
  revoke(site: string, generation: number): Promise<unknown>;
}

/** BlobObject's methods. */
export interface BlobStub extends Fetches {
  stat(): Promise<{ bytes: number } | null>;
  head(maxBytes: number): Promise<Uint8Array | null>;
  /** -> false where there is no blob to keep */
  hold(job: string): Promise<boolean>;
  release(job: string): Promise<unknown>;
}

export interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** A site as the directory knows it. Tokens of an older generation are void. */
export interface Standing {
  readonly generation: number;
  readonly status: 'active' | 'revoked';
}

/** Whether a site's token is good, as the directory knows the site. */
export const stands = (known: Standing | null, { generation }: SiteCaller): boolean =>
  known?.status === 'active' && known.generation === generation;

/** For a token that is void. */
export const VOID_TOKEN: Fault = {
  reason: 'unauthorized',
  detail: 'This token is no longer valid: the site was revoked or enrolled anew.',
};

/** What a job tells the directory about itself. `seq` grows: an older message is ignored. */
export interface JobChange {
  readonly id: string;
  readonly status: JobStatus;
  readonly seq: number;
}

/** DirectoryObject's methods. `key` is the caller's Idempotency-Key, null without one. */
export interface DirectoryStub {
  ping(): Promise<true>;
  enrol(request: InferOutput<typeof EnrolmentRequest>, key: string | null): Answered<Enrolment>;
  /** Whether an enrolment token is good: for another site, or for the answer recorded under the key. */
  mayEnrol(token: string, key: string | null): Answered<null>;
  register(
    token: string,
    request: InferOutput<typeof SiteRequest>,
    key: string | null,
  ): Answered<SiteGrant>;
  sites(page: Page): Answered<{ sites: SiteSummary[]; next: string | null }>;
  revokeSite(name: string): Answered<Revocation>;
  generation(name: string): Promise<Standing | null>;
  submit(spec: unknown, key: string | null): Answered<JobSummary>;
  clone(job: string, key: string | null): Answered<JobSummary>;
  jobs(page: Page): Answered<{ jobs: JobSummary[]; next: string | null }>;
  jobChanged(change: JobChange): Promise<void>;
  remove(job: string): Answered<null>;
  inbox(caller: SiteCaller): Answered<Inbox>;
}

// Typed by hand: workers-types' RPC mapping turns `unknown` fields into `never`.
const stub = (namespace: DurableObjectNamespace, name: string): unknown =>
  namespace.get(namespace.idFromName(name));

export const jobOf = (env: Env, id: string): JobStub => stub(env.JOB, id) as JobStub;
export const blobOf = (env: Env, digest: string): BlobStub => stub(env.BLOB, digest) as BlobStub;
export const directoryOf = (env: Env): DirectoryStub =>
  stub(env.DIRECTORY, 'directory') as DirectoryStub;
