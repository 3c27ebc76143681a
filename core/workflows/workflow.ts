import type { GenericSchema } from 'valibot';
import type { ModelRef } from '../protocol/job-status.ts';
import type { Json } from '../protocol/json.ts';
import type { Flow } from './ops.ts';

/** The end of one round: go on with a new state, or end the workflow with a result. */
export type Turn<State> =
  | { readonly kind: 'again'; readonly state: State }
  | { readonly kind: 'done'; readonly result: Json };

export const again = <State>(state: State): Turn<State> => ({ kind: 'again', state });
export const done = (result: Json): Turn<never> => ({ kind: 'done', result });

/** What a workflow is started with. */
export interface Start {
  /** The job's current `global` model; null where the job has none. */
  readonly model: ModelRef | null;
}

/**
 * FLARE's Controller: `start(params) -> state`, and a synchronous generator `round(params, state)` that yields ops.
 * Between rounds it is one JSON row (the state); within a round it is replayed over a journal. A round must be
 * deterministic: no clock, no randomness, nothing but params, state and the values of its ops.
 */
export interface Workflow<Params = unknown, State extends Json = Json> {
  readonly name: string;
  /** A job pins {name, version}; raise it when stored states or journals of the old code no longer fit. */
  readonly version: number;
  /** Checks and completes the args of a spec. */
  readonly args: GenericSchema<unknown, Params>;
  /** The workflow has no use without a model. */
  readonly needsModel: boolean;
  /** Task names it schedules: each must have an executor at submission. */
  readonly tasks: readonly string[];
  readonly totalRounds: (params: Params) => number;
  /** Aggregators it names, checked at submission. */
  readonly aggregators: (params: Params) => readonly string[];
  readonly start: (params: Params, start: Start) => State;
  readonly round: (params: Params, state: State) => Flow<Turn<State>>;
  /** Round number (from 0) that a state stands for. */
  readonly roundOf: (state: State) => number;
  /** Brings a state of an older version, stored between rounds, to this one. Without it such a job is suspended. */
  readonly upgrade?: (state: Json, version: number) => State;
}

/** Types a workflow by its own params and state, and gives it to the registry, which knows neither. */
export const workflow = <Params, State extends Json>(w: Workflow<Params, State>): Workflow =>
  w as unknown as Workflow;
