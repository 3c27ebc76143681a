import type { AnalyticsEntry } from '../../core/protocol/analytics.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { Shareable } from '../../core/protocol/shareable.ts';
import type { Task } from '../../core/protocol/task.ts';
import type { DataKind } from '../../core/protocol/data-kind.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { LogOptions } from './analytics.ts';
import type { Dataset } from './dataset.ts';
import type { FLModel } from './fl-model.ts';
import type { EventHandler, MakeRun, Run, Voice } from './run.ts';
import type { Rng } from './seed.ts';
import type { Store } from './store.ts';

/** What an executor has done so far: for progress bars and logs, never sent. */
export type Progress =
  | { readonly type: 'step'; readonly step: number; readonly steps: number; readonly loss: number }
  | {
      readonly type: 'evaluated';
      /** `received`: the task's model; `local`: the site's own after training. */
      readonly model: 'received' | 'local';
      readonly metrics: Readonly<Record<string, { readonly sum: number; readonly count: number }>>;
      readonly examples: number;
    };

/** A value for the job's metric log (FLARE's analytics). */
export type Log = (key: string, value: AnalyticsEntry['value'], options?: LogOptions) => void;

/** One task as an executor sees it. */
export interface Assignment {
  readonly task: Task;
  readonly spec: JobSpec;
  /** The model that came with the task. Not the executor's to change: a DIFF is against these very elements. */
  readonly params: Tensors | undefined;
  /** Aborts when the job or task is over: stop soon, what comes back is dropped. */
  readonly signal: AbortSignal;
  /** Random numbers that a repetition of this task repeats. `scope: 'job'` gives the same in every round. */
  readonly rng: (purpose: string, scope?: 'task' | 'job') => Promise<Rng>;
  readonly report: (progress: Progress) => void;
  readonly log: Log;
  /** Where components listen. */
  readonly run?: Run | undefined;
}

/** Named tensors of a result that are not its `params`: FLARE's DXO in a COLLECTION. */
export interface TensorSet {
  readonly kind: 'WEIGHTS' | 'WEIGHT_DIFF' | 'OTHER';
  readonly tensors: Tensors;
}

/** What a result says that an FLModel has no field for. */
export interface Content {
  /** Where neither params nor metrics tell it. */
  readonly dataKind?: DataKind;
  /** JSON. */
  readonly data?: unknown;
  readonly sets?: ReadonlyMap<string, TensorSet>;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** The site's public FLContext props. */
  readonly peerProps?: Readonly<Record<string, unknown>>;
}

/** What an executor gives back. */
export interface Execution {
  readonly model: FLModel;
  readonly content?: Content;
  /** The answer as an Executor gave it, for components. */
  readonly shareable?: Shareable;
  /** The type the executor would rather send where the task takes any; the kit converts. */
  readonly transferType?: ParamsType;
  /** Written with the result or not at all, under a name of the job's own storage. */
  readonly kept?: ReadonlyMap<string, readonly Uint8Array<ArrayBuffer>[]>;
}

/** What an executor may use: everything that the site gave the kit. */
export interface Resources {
  readonly site: string;
  /** This job's own storage on the site; deleted when the job ends. */
  readonly store: Store;
  /** The site's data for this job; read once. Rejects with TaskError BAD_TASK_DATA where there is none. */
  readonly data: () => Promise<Dataset>;
  /** A program or model that the job's spec names. */
  readonly blob: (digest: string, signal?: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>;
  /** For components in another thread. */
  readonly voice: Voice;
}

/** Does tasks: what every way to bring code comes down to. Throws TaskError to answer with its code; anything else is EXECUTION_EXCEPTION. */
export interface TaskExecutor {
  execute(assignment: Assignment): Promise<Execution>;
  /** Frees what it holds: the job is over. */
  dispose?(): Promise<void> | void;
  /** Hears of the run's events, before the components. */
  readonly handler?: EventHandler;
}

/** An executor's registration: made once a job, with the args of the job's spec. */
export interface ExecutorKind {
  /** One at a time on this site, whatever the number of jobs: it uses the whole machine. */
  readonly exclusive: boolean;
  make(args: Readonly<Record<string, unknown>>, resources: Resources): TaskExecutor;
  /** Makes the run that its executors need, where the site brings no components of its own. */
  readonly run?: MakeRun;
}
