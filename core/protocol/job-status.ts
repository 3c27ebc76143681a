import * as v from 'valibot';
import { Digest } from './names.ts';

/** FLARE's RunStatus (nvflare/apis/job_def.py), and SUSPENDED, which is ours: waiting for a person or a fix. */
const JOB_STATUSES = [
  'SUBMITTED',
  'APPROVED',
  'DISPATCHED',
  'RUNNING',
  'SUSPENDED',
  'FINISHED:COMPLETED',
  'FINISHED:ABORTED',
  'FINISHED:EXECUTION_EXCEPTION',
  'FINISHED:ABNORMAL',
  'FINISHED:CAN_NOT_SCHEDULE',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];
export const isFinished = (status: JobStatus): boolean => status.startsWith('FINISHED:');

const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** Milliseconds since 1970. */
const Time = v.number();

/** A model's name and size. */
export const ModelRef = v.object({ digest: Digest, bytes: Count });
export type ModelRef = v.InferOutput<typeof ModelRef>;

const SiteState = v.picklist(['joined', 'working', 'replied', 'failed', 'lost', 'revoked']);

/** Body of GET /v1/jobs/:id. `version` grows with every change: `?since=<version>&wait=25` waits for a newer one. */
export const JobView = v.object({
  id: v.string(),
  name: v.string(),
  status: v.picklist(JOB_STATUSES),
  reason: v.nullable(v.string()),
  version: Count,
  workflow: v.nullable(v.object({ id: v.string(), use: v.string(), index: Count, count: Count })),
  round: v.nullable(Count),
  totalRounds: v.nullable(Count),
  task: v.nullable(
    v.object({
      id: v.string(),
      name: v.string(),
      assigned: Count,
      received: Count,
      needed: Count,
      deadline: v.nullable(Time),
    }),
  ),
  minSites: Count,
  sites: v.array(
    v.object({
      name: v.string(),
      state: SiteState,
      lastSeen: Time,
      returnCode: v.optional(v.string()),
    }),
  ),
  /** Metrics of the newest round whose task closed, summed over sites and divided once. */
  metrics: v.record(v.string(), v.number()),
  models: v.record(v.string(), ModelRef),
  results: v.record(v.string(), v.unknown()),
  clonedFrom: v.nullable(v.string()),
  times: v.object({
    submitted: Time,
    started: v.nullable(Time),
    finished: v.nullable(Time),
  }),
});
export type JobView = v.InferOutput<typeof JobView>;

/** One line of GET /v1/jobs. */
export const JobSummary = v.object({
  id: v.string(),
  name: v.string(),
  status: v.picklist(JOB_STATUSES),
  submitted: Time,
});
export type JobSummary = v.InferOutput<typeof JobSummary>;
