import * as v from 'valibot';
import { ParamsType } from './fl-model.ts';

const Count = v.pipe(
  v.number(),
  v.integer('an integer'),
  v.minValue(1, 'an integer >= 1'),
  v.maxValue(1e9),
);
const Positive = v.pipe(
  v.number(),
  v.finite('a finite number'),
  v.check((n) => n > 0, 'a number above 0'),
);

/** What `onnx` does where a job doesn't say. The kit fills these in too: it carries no schemas. */
export const ONNX_DEFAULTS = {
  epochs: 1,
  batchSize: 32,
  lr: 0.01,
  transferType: 'FULL',
  validationFraction: 0.1,
  optimizerState: 'reset',
  which: 'last',
  device: 'auto',
} as const;

/**
 * `onnx`: trains, validates and submits with the job's `train` and `evaluate` programs. `epochs` are passes over the
 * site's training split; `steps` (optimizer steps) takes their place where given. `validationFraction` of the
 * examples are held out, the same ones in every round; an executor that only validates holds out what the site's
 * training does. `optimizerState: 'keep'` carries the optimizer's state from round to round of a workflow. `which`: the
 * model that `submit_model` hands in where the task doesn't say (that of `cross-site-eval` always does, by that
 * workflow's `which`). `momentum` only informs: it is in the program. `mu`
 * weighs FedProx's term where the program has one. `device`: `wasm` and `webgpu` insist; `auto` takes a GPU where there is
 * one and the train program was written for it.
 */
export const OnnxArgs = v.strictObject({
  epochs: v.optional(Count, ONNX_DEFAULTS.epochs),
  steps: v.optional(Count),
  batchSize: v.optional(v.pipe(Count, v.maxValue(65_536)), ONNX_DEFAULTS.batchSize),
  lr: v.optional(Positive, ONNX_DEFAULTS.lr),
  momentum: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  transferType: v.optional(ParamsType, ONNX_DEFAULTS.transferType),
  validationFraction: v.optional(
    v.pipe(v.number(), v.minValue(0), v.maxValue(0.9)),
    ONNX_DEFAULTS.validationFraction,
  ),
  optimizerState: v.optional(v.picklist(['reset', 'keep']), ONNX_DEFAULTS.optimizerState),
  which: v.optional(v.picklist(['last', 'best']), ONNX_DEFAULTS.which),
  mu: v.optional(v.pipe(v.number(), v.finite('a finite number'), v.minValue(0))),
  device: v.optional(v.picklist(['auto', 'wasm', 'webgpu']), ONNX_DEFAULTS.device),
});
export type OnnxArgs = v.InferOutput<typeof OnnxArgs>;

export const ADD_DEFAULTS = { delta: 1, steps: 1, transferType: 'FULL' } as const;

/**
 * `add`: FLARE's NPTrainer (hello-numpy): training adds `delta` to every element and reports `steps` optimizer steps,
 * so that a job's numbers are known beforehand.
 */
export const AddArgs = v.strictObject({
  delta: v.optional(v.pipe(v.number(), v.finite('a finite number')), ADD_DEFAULTS.delta),
  steps: v.optional(Count, ADD_DEFAULTS.steps),
  transferType: v.optional(ParamsType, ADD_DEFAULTS.transferType),
});
export type AddArgs = v.InferOutput<typeof AddArgs>;

export const APP_DEFAULTS = { transferType: 'FULL' } as const;

/** `app`: the code that the site itself registered; it sees the whole of `args`. */
export const AppArgs = v.looseObject({
  transferType: v.optional(ParamsType, APP_DEFAULTS.transferType),
});
export type AppArgs = v.InferOutput<typeof AppArgs>;

export const TASK_EXCHANGER_DEFAULTS = {
  pipe: 'agent',
  heartbeatTimeout: 60,
  peerReadTimeout: 300,
  transferType: 'FULL',
  config: {},
} as const;

/**
 * `task-exchanger`: FLARE's TaskExchanger: an agent outside the site does the tasks. `pipe` names one of the site's own
 * pipes, whose address the site alone knows. Seconds: `heartbeatTimeout` without word from an agent that has the task
 * fails it, as does `peerReadTimeout` without any agent; `taskWaitTime` is the most that a task may take. `config` is
 * handed to the agent.
 */
export const TaskExchangerArgs = v.strictObject({
  pipe: v.optional(
    v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'a name of [a-z0-9._-]')),
    TASK_EXCHANGER_DEFAULTS.pipe,
  ),
  heartbeatTimeout: v.optional(Positive, TASK_EXCHANGER_DEFAULTS.heartbeatTimeout),
  peerReadTimeout: v.optional(Positive, TASK_EXCHANGER_DEFAULTS.peerReadTimeout),
  taskWaitTime: v.optional(Positive),
  transferType: v.optional(ParamsType, TASK_EXCHANGER_DEFAULTS.transferType),
  config: v.optional(v.record(v.string(), v.unknown()), TASK_EXCHANGER_DEFAULTS.config),
});
export type TaskExchangerArgs = v.InferOutput<typeof TaskExchangerArgs>;

/** Executors that the kit ships, with the schema of their args: one line each. */
export const EXECUTORS: { readonly [name: string]: v.GenericSchema<unknown, unknown> } = {
  onnx: OnnxArgs,
  add: AddArgs,
  app: AppArgs,
  'task-exchanger': TaskExchangerArgs,
};
