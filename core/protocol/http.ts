import * as v from 'valibot';
import { AnalyticsBatch, AnalyticsRecord } from './analytics.ts';
import { FLModelHeader } from './fl-model.ts';
import { JobSummary, JobView } from './job-status.ts';
import { JobSpec } from './job.ts';
import { LIMITS } from './limits.ts';
import { Digest, SiteName } from './names.ts';
import type { PathParams, Query, Route } from './route.ts';
import {
  Enrolment,
  EnrolmentRequest,
  Revocation,
  SiteGrant,
  SiteRequest,
  SiteSummary,
} from './site.ts';
import { Inbox, LeaseAnswer, PollAnswer, ResultAnswer } from './task.ts';

const integerText = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d{1,16}$/, `an integer from ${min} to ${max}`),
    v.transform(Number),
    v.number(),
    v.integer(),
    v.minValue(min, `an integer from ${min} to ${max}`),
    v.maxValue(max, `an integer from ${min} to ${max}`),
  );

/** A list's page: `cursor` is the `next` of the page before. */
const page = {
  limit: v.optional(integerText(1, LIMITS.pageMax)),
  cursor: v.optional(v.pipe(v.string(), v.maxLength(256, 'a cursor that a list gave'))),
};
const Next = v.nullable(v.string());
const wait = v.optional(integerText(0, LIMITS.waitS));

export const SAFETENSORS = 'application/x-safetensors';
export const BYTES = 'application/octet-stream';
const model = { media: [SAFETENSORS] } as const;
const bytes = { media: [BYTES] } as const;
/** The job's own models come as what they are. */
const modelOrBytes = { media: [SAFETENSORS, BYTES] } as const;

export const Health = v.object({ status: v.literal('ok'), version: v.string() });
export const JobList = v.object({ jobs: v.array(JobSummary), next: Next });
export const SiteList = v.object({ sites: v.array(SiteSummary), next: Next });
export const MetricList = v.object({ metrics: v.array(AnalyticsRecord), next: Next });
export const MetricsAccepted = v.object({ accepted: v.number() });
/** Answer of PUT /v1/blobs/:digest: 201 stored now, 200 already there. */
export const BlobStored = v.object({ digest: Digest, bytes: v.number() });
/** 202: a part that is not the last; `received` bytes are there. */
export const PartReceived = v.object({ status: v.literal('partial'), received: v.number() });

const blob = '/v1/blobs/:digest';
const job = '/v1/jobs/:id';

/** Every route of the server, in the order of the OpenAPI document. Keys are operation ids. */
export const ROUTES = {
  healthz: {
    methods: ['GET'],
    path: '/healthz',
    summary: 'Is every route working?',
    who: [],
    head: true,
    answers: { 200: Health },
  },
  openapi: {
    methods: ['GET'],
    path: '/v1/openapi.json',
    summary: 'This API as an OpenAPI 3.1 document',
    who: [],
    head: true,
    answers: { 200: v.record(v.string(), v.unknown()) },
  },
  createEnrolment: {
    methods: ['POST'],
    path: '/v1/enrolments',
    summary: 'Make a token with which sites enrol themselves; it is shown once',
    who: ['admin'],
    body: EnrolmentRequest,
    idempotent: true,
    answers: { 201: Enrolment },
  },
  enrolSite: {
    methods: ['POST'],
    path: '/v1/sites',
    summary: "Enrol a site with an enrolment token; answers the site's own token, once",
    who: ['enrolment'],
    body: SiteRequest,
    idempotent: true,
    answers: { 201: SiteGrant },
  },
  listSites: {
    methods: ['GET'],
    path: '/v1/sites',
    summary: 'Sites by name',
    who: ['admin'],
    head: true,
    query: page,
    answers: { 200: SiteList },
  },
  revokeSite: {
    methods: ['DELETE'],
    path: '/v1/sites/:name',
    summary: 'Revoke a site; 202 while some jobs could not be told yet',
    who: ['admin'],
    answers: { 200: Revocation, 202: Revocation },
  },
  putBlob: {
    methods: ['PUT'],
    path: blob,
    summary: 'Store bytes under their SHA-256; parts with Content-Range',
    who: ['admin'],
    body: { media: ['*/*'] },
    answers: { 200: BlobStored, 201: BlobStored, 202: PartReceived },
  },
  getBlob: {
    methods: ['GET'],
    path: blob,
    summary: 'Read a blob; ETag and Range',
    who: ['admin'],
    head: true,
    answers: { 200: bytes, 206: bytes, 304: null },
  },
  createJob: {
    methods: ['POST'],
    path: '/v1/jobs',
    summary: 'Submit a job: the whole spec is validated',
    who: ['admin'],
    body: JobSpec,
    maxBody: LIMITS.specBytes,
    idempotent: true,
    answers: { 201: JobSummary },
  },
  listJobs: {
    methods: ['GET'],
    path: '/v1/jobs',
    summary: 'Jobs, newest first',
    who: ['admin'],
    head: true,
    query: page,
    answers: { 200: JobList },
  },
  getJob: {
    methods: ['GET'],
    path: job,
    summary: "A job's state; with wait and since it waits for a newer version",
    who: ['admin', 'site'],
    head: true,
    query: { wait, since: v.optional(integerText(0, Number.MAX_SAFE_INTEGER)) },
    answers: { 200: JobView, 304: null },
  },
  deleteJob: {
    methods: ['DELETE'],
    path: job,
    summary: 'Delete a job and all it keeps; aborts it first',
    who: ['admin'],
    answers: { 204: null },
  },
  getSpec: {
    methods: ['GET'],
    path: `${job}/spec`,
    summary: 'The spec as submitted, defaults filled in',
    who: ['admin', 'site'],
    head: true,
    answers: { 200: JobSpec },
  },
  abortJob: {
    methods: ['POST'],
    path: `${job}/abort`,
    summary: 'Abort a job',
    who: ['admin'],
    answers: { 200: JobView },
  },
  cloneJob: {
    methods: ['POST'],
    path: `${job}/clone`,
    summary: "Submit a job's spec again",
    who: ['admin'],
    idempotent: true,
    answers: { 201: JobSummary },
  },
  resumeJob: {
    methods: ['POST'],
    path: `${job}/resume`,
    summary: 'Go on with a suspended job',
    who: ['admin'],
    answers: { 200: JobView },
  },
  getModel: {
    methods: ['GET'],
    path: `${job}/models/:name`,
    summary: "A model: global, best, a site's name (admin) or a digest",
    who: ['admin', 'site'],
    head: true,
    answers: { 200: model, 206: model, 304: null },
  },
  getJobBlob: {
    methods: ['GET'],
    path: `${job}/blobs/:digest`,
    summary: 'A model or program that the spec or an open task names',
    who: ['site'],
    head: true,
    answers: { 200: modelOrBytes, 206: modelOrBytes, 304: null },
  },
  getEvents: {
    methods: ['GET'],
    path: `${job}/events`,
    summary: 'Server-sent events; resumable by Last-Event-ID',
    who: ['admin'],
    answers: { 200: { media: ['text/event-stream'] } },
  },
  getMetrics: {
    methods: ['GET'],
    path: `${job}/metrics`,
    summary: 'Values that sites logged, oldest first',
    who: ['admin'],
    head: true,
    query: {
      ...page,
      key: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.metricKeyLength))),
      site: v.optional(SiteName),
    },
    answers: { 200: MetricList },
  },
  postMetrics: {
    methods: ['POST'],
    path: `${job}/metrics`,
    summary: 'Log values',
    who: ['site'],
    body: AnalyticsBatch,
    answers: { 200: MetricsAccepted },
  },
  getInbox: {
    methods: ['GET'],
    path: '/v1/inbox',
    summary: 'Jobs that want this site',
    who: ['site'],
    head: true,
    answers: { 200: Inbox },
  },
  pollTask: {
    methods: ['GET'],
    path: `${job}/task`,
    summary: 'Ask for a task and join the job; long-polls',
    who: ['site'],
    query: { wait },
    answers: { 200: PollAnswer },
  },
  renewLease: {
    methods: ['POST'],
    path: `${job}/tasks/:task/lease`,
    summary: 'Say that work on a task goes on',
    who: ['site'],
    answers: { 200: LeaseAnswer },
  },
  putResult: {
    methods: ['PUT', 'POST'],
    path: `${job}/tasks/:task/result`,
    summary: "A task's result: safetensors with __metadata__.fl_model, or that JSON alone",
    who: ['site'],
    body: { media: [SAFETENSORS], json: FLModelHeader },
    answers: { 200: ResultAnswer, 202: ResultAnswer },
  },
} as const satisfies { readonly [id: string]: Route };

export type Routes = typeof ROUTES;
export type RouteId = keyof Routes;

/** Text and numbers that fill in a route: the values as they go over the wire. */
export type Target<R extends Route> = PathParams<R> & { readonly query?: Partial<Query<R>> };

/** A route's path with parameters and query filled in, each escaped. Throws RangeError on a missing parameter. */
export function pathOf<K extends RouteId>(id: K, target: Target<Routes[K]>): string {
  const { query = {}, ...params } = target as {
    readonly query?: { readonly [name: string]: unknown };
    readonly [name: string]: unknown;
  };
  const path = ROUTES[id].path.replace(/:([a-z]+)/g, (_, name: string) => {
    const value = params[name];
    if (typeof value !== 'string' || value === '') throw new RangeError(`${id} needs ${name}`);
    return encodeURIComponent(value);
  });
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const search = pairs.map(([k, value]) => `${k}=${encodeURIComponent(String(value))}`).join('&');
  return search === '' ? path : `${path}?${search}`;
}
