import * as v from 'valibot';
import { Digest } from './names.ts';

const Model = v.object({ digest: Digest, bytes: v.number(), url: v.string() });

/** What a site is asked to do. URLs are paths on this server, readable with the site's token while the task is open. */
export const Task = v.object({
  id: v.string(),
  name: v.string(),
  job: v.string(),
  workflow: v.string(),
  /** From 0. */
  round: v.number(),
  totalRounds: v.number(),
  model: v.nullable(Model),
  models: v.optional(v.record(v.string(), Model)),
  paramsType: v.picklist(['FULL', 'DIFF', 'ANY']),
  /** train `{}`; submit_model `{name}`; validate `{owner}`. */
  data: v.record(v.string(), v.unknown()),
  /** Headers of the Shareable that an Executor gets, cookies among them (`__cookie_jar__`): they come back with the result. */
  headers: v.optional(v.record(v.string(), v.unknown())),
  /** The server's public FLContext props: the site's peer context. */
  peerProps: v.optional(v.record(v.string(), v.unknown())),
  /** Milliseconds since 1970. */
  deadline: v.nullable(v.number()),
  lease: v.object({ seconds: v.number(), url: v.string() }),
  resultUrl: v.string(),
});
export type Task = v.InferOutput<typeof Task>;

/** Answer of GET /v1/jobs/:id/task: always 200. `retryAfter` in seconds. */
export const PollAnswer = v.variant('status', [
  v.object({ status: v.literal('task'), task: Task }),
  v.object({ status: v.literal('try-again'), retryAfter: v.number() }),
  v.object({ status: v.literal('end'), reason: v.string() }),
]);
export type PollAnswer = v.InferOutput<typeof PollAnswer>;

/** Answer of POST .../lease. `lease` in seconds from now. */
export const LeaseAnswer = v.variant('status', [
  v.object({ status: v.literal('open'), lease: v.number() }),
  v.object({ status: v.literal('closed'), reason: v.string() }),
]);
export type LeaseAnswer = v.InferOutput<typeof LeaseAnswer>;

/** Answer of PUT .../result. `partial` (202) answers a part that is not the last: bytes received so far. */
export const ResultAnswer = v.variant('status', [
  v.object({ status: v.picklist(['accepted', 'duplicate', 'late']) }),
  v.object({ status: v.literal('partial'), received: v.number() }),
]);
export type ResultAnswer = v.InferOutput<typeof ResultAnswer>;

/** Answer of GET /v1/inbox. `retryAfter` in seconds: 1 while a job wants the site. */
export const Inbox = v.object({
  jobs: v.array(v.object({ id: v.string(), name: v.string() })),
  retryAfter: v.number(),
});
export type Inbox = v.InferOutput<typeof Inbox>;
