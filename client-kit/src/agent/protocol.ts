import * as v from 'valibot';
import { FLModelHeader } from '../../../core/protocol/fl-model.ts';
import { LIMITS } from '../../../core/protocol/limits.ts';
import { MessageError } from './message.ts';
import type { Head } from './message.ts';

/**
 * What an agent and a site say to each other (docs/agents.md). The agent asks, the site answers; every request may be
 * sent again, so that a lost request, a lost answer and a killed process are all the same: the agent asks once more.
 * Modelled on FLARE 2.9's attach protocol (nvflare/client/cell/defs.py), its ids kept: session, task, attempt, result.
 */
export const PROTOCOL = 1;

/** Longest that a site holds a question, in seconds. */
export const MAX_WAIT_S = 25;

const Id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/, 'an id'));
const Seconds = v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_WAIT_S));

/** In every request. Of two agents the one that started later has the site's ear: a restarted one is the later. */
const who = {
  protocol: v.literal(PROTOCOL),
  session: Id,
  /** Milliseconds since 1970. */
  started: v.pipe(v.number(), v.finite()),
};
const held = { task: Id, attempt: v.pipe(v.number(), v.integer(), v.minValue(1)) };

const LogEntry = v.object({
  /** From 0, by session: a repeated one is dropped. */
  seq: v.pipe(v.number(), v.integer(), v.minValue(0)),
  key: v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.metricKeyLength)),
  value: v.union([v.number(), v.string(), v.boolean(), v.record(v.string(), v.number())]),
  type: v.optional(
    v.picklist(['SCALAR', 'SCALARS', 'TEXT', 'METRIC', 'METRICS', 'PARAMETER', 'TAG']),
  ),
  step: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/** What an agent asks. */
export const Request = v.variant('op', [
  /** Idle: give me a task. */
  v.object({ ...who, op: v.literal('task'), wait: v.optional(Seconds, 0) }),
  /** At work on this: is it still wanted? The heartbeat; answered at once where it isn't, else after `wait`. */
  v.object({ ...who, op: v.literal('beat'), ...held, wait: v.optional(Seconds, 0) }),
  /** Done: here it is. The tensors of the message are the params. */
  v.object({ ...who, op: v.literal('result'), ...held, result: Id, fl_model: FLModelHeader }),
  /** Values for the job's metric log. */
  v.object({ ...who, op: v.literal('log'), task: Id, entries: v.array(LogEntry) }),
  /** I am leaving. */
  v.object({ ...who, op: v.literal('bye') }),
]);
export type Request = v.InferOutput<typeof Request>;
export type RequestOf<Op extends Request['op']> = Extract<Request, { readonly op: Op }>;

/** What a site answers to each. */
interface Answers {
  readonly task: 'task' | 'none' | 'end';
  readonly beat: 'open' | 'done' | 'closed' | 'unknown';
  readonly result: 'accepted' | 'duplicate' | 'closed' | 'unknown';
  readonly log: 'accepted' | 'unknown';
  readonly bye: 'accepted';
}

/**
 * Any request may be answered by `superseded` (another agent has taken over), `rejected` (the request is none, and will
 * not become one), or `error` (not now: ask again).
 */
export type Status = Answers[Request['op']] | 'superseded' | 'rejected' | 'error';

/** A task as an agent is given it, beside its tensors. */
export interface TaskHead {
  readonly task: string;
  readonly name: string;
  readonly job: string;
  readonly site: string;
  readonly workflow: string;
  /** From 0. */
  readonly round: number;
  readonly totalRounds: number;
  readonly paramsType: 'FULL' | 'DIFF' | 'ANY';
  /** train `{}`; submit_model `{name}`; validate `{owner}`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** What the job has to say to the agent: `config` of the executor's args. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Throws MessageError, which says what is wrong where. */
export const readRequest = (head: Head): Request => {
  const read = v.safeParse(Request, head);
  if (read.success) return read.output;
  const [issue] = read.issues;
  throw new MessageError(`${v.getDotPath(issue) ?? 'head'}: ${issue.message}`);
};
