import type { ParamsType } from '../protocol/fl-model.ts';
import type { ModelRef } from '../protocol/job-status.ts';
import type { Json, JsonObject } from '../protocol/json.ts';
import type { ReturnCode } from '../protocol/return-code.ts';

/** How replies become one model: an aggregator by name, never by import, and FLARE's weighting. */
export interface Fold {
  readonly use: string;
  readonly weightBy: 'steps' | 'examples' | 'uniform';
  readonly maxWeight?: number;
  /** FLARE's aggregation_weights: site -> factor; a site that isn't named has 1. */
  readonly aggregationWeights?: { readonly [site: string]: number };
  /** A tensor has its own denominator and keeps its value where nobody sent it. */
  readonly partial: boolean;
}

export type OnShortfall = 'suspend' | 'skip' | 'fail';

/** A task as a workflow asks for it. Times in seconds; 0 is none. */
export interface TaskRequest {
  readonly name: string;
  /** These sites, each once; or `'*'`: any site that polls while the task is open (needs `min`). */
  readonly to: readonly string[] | '*';
  /** `'*'` only: globs of the sites that may take it; everyone where absent. */
  readonly clients?: readonly string[];
  readonly model: ModelRef | null;
  readonly data: JsonObject;
  readonly round: number;
  readonly totalRounds: number;
  /** What results must bring: `params` folded, kept one by one, or no tensors at all. */
  readonly results:
    | { readonly kind: 'fold'; readonly paramsType: ParamsType | 'ANY'; readonly fold: Fold }
    | { readonly kind: 'keep'; readonly paramsType: 'FULL' }
    | { readonly kind: 'metrics' };
  /** OK replies needed (any replies with `ignoreErrors`); null: all of `to`. */
  readonly min: number | null;
  readonly waitAfterMin: number;
  readonly timeout: number;
  /** A site that hasn't taken the task this long after it opened, or lost its lease, is given up. */
  readonly assignmentTimeout: number;
  readonly onShortfall: OnShortfall;
  /** FLARE's ignore_result_error: an error code is an answer like any other, and never ends the job. */
  readonly ignoreErrors: boolean;
}

/** A metric summed over sites: `value = sum / count`. */
export type MetricTotal = { readonly sum: number; readonly count: number };

/** One site's part in a closed task, frozen when it closed. */
export interface TaskReply {
  readonly site: string;
  readonly returnCode: ReturnCode;
  readonly metrics: { readonly [name: string]: MetricTotal };
  readonly meta: JsonObject;
  /** `keep` only: the site's own tensors, now a model of this job. */
  readonly model: ModelRef | null;
}

/** What a closed task came to. */
export interface Outcome {
  /** `short`: it closed below its minimum, and onShortfall is `skip`. */
  readonly status: 'ok' | 'short';
  /** `fold` only: the aggregate; null where nobody sent a tensor. */
  readonly model: ModelRef | null;
  /** OK replies' metrics, summed over sites. */
  readonly metrics: { readonly [name: string]: MetricTotal };
  readonly replies: readonly TaskReply[];
  /** Sites that were asked and gave nothing, with the reason. */
  readonly missing: readonly { readonly site: string; readonly reason: string }[];
}

/** The ops that a workflow may yield. JSON through and through: the journal stores them whole. */
export type Op =
  /** Sites joined now, sorted by name: those of `clients` (globs), at most `count` of them chosen by the job's seed. -> string[] */
  | { readonly op: 'sample'; readonly count?: number; readonly clients?: readonly string[] }
  /** Opens a task. -> its id (string) */
  | { readonly op: 'start'; readonly task: TaskRequest }
  /** Waits until a task is closed. -> Outcome */
  | { readonly op: 'await'; readonly task: string }
  /** FLARE's load_model: a named model of the job. -> ModelRef | null */
  | { readonly op: 'load'; readonly name: string }
  /** FLARE's save_model: names a model (`global`, `best`, a site's). -> null */
  | { readonly op: 'save'; readonly name: string; readonly model: ModelRef }
  /** FLARE's fire_event: a row in the job's event stream. -> null */
  | { readonly op: 'event'; readonly type: string; readonly data: Json }
  /** FLARE's panic: ends the job with EXECUTION_EXCEPTION. -> never */
  | { readonly op: 'panic'; readonly reason: string };

/** A workflow's code: yields ops, is resumed with their values. */
export type Flow<T> = Generator<Op, T, unknown>;

function* ask<T>(op: Op): Flow<T> {
  return (yield op) as T;
}

/** FLARE's sample_clients. */
export const sampleClients = (
  options: { count?: number; clients?: readonly string[] } = {},
): Flow<string[]> => ask({ op: 'sample', ...options });

/** Opens a task and returns its id at once: tasks of one round run side by side. */
export const start = (task: TaskRequest): Flow<string> => ask({ op: 'start', task });

/** Waits for a task opened by {@link start}. */
export const outcome = (task: string): Flow<Outcome> => ask({ op: 'await', task });

/** FLARE's send_model_and_wait / broadcast_and_wait. */
export function* broadcast(task: TaskRequest): Flow<Outcome> {
  return yield* outcome(yield* start(task));
}

export const loadModel = (name = 'global'): Flow<ModelRef | null> => ask({ op: 'load', name });
export const saveModel = (model: ModelRef, name = 'global'): Flow<null> =>
  ask({ op: 'save', name, model });
export const event = (type: string, data: Json = null): Flow<null> =>
  ask({ op: 'event', type, data });
export const panic = (reason: string): Flow<never> => ask({ op: 'panic', reason });
