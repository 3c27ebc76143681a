import type { FieldError } from '../../../core/protocol/fault.ts';
import type { FedEvent } from '../../../core/protocol/fed-event.ts';
import type { JobSpec } from '../../../core/protocol/job.ts';
import type { ReturnCode } from '../../../core/protocol/return-code.ts';
import type { Task } from '../../../core/protocol/task.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type { Execution, Log, Progress } from '../assignment.ts';
import type { LogLevel } from '../run.ts';

/** What a worker may ask of the site while it works, with what arguments and for what. */
export interface Questions {
  data: (...args: []) => unknown;
  blob: (digest: string) => unknown;
  read: (key: string) => unknown;
  write: (key: string, parts: readonly Uint8Array[]) => unknown;
  delete: (key: string) => unknown;
  list: (prefix: string) => unknown;
  sendEvents: (events: readonly FedEvent[]) => unknown;
}

/** From the site to its worker. What goes through is copied: a task's tensors here stay as they came. */
export type ToWorker =
  | {
      readonly type: 'make';
      readonly args: Readonly<Record<string, unknown>>;
      readonly site: string;
    }
  | {
      readonly type: 'execute';
      readonly number: number;
      readonly task: Task;
      readonly spec: JobSpec;
      readonly params: Tensors | undefined;
    }
  | { readonly type: 'abort'; readonly number: number }
  | { readonly type: 'answer'; readonly question: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly question: number; readonly failure: Failure }
  | { readonly type: 'end' };

/** From a worker to its site. */
export type FromWorker =
  | { readonly type: 'done'; readonly number: number; readonly execution: Execution }
  | { readonly type: 'failed'; readonly number: number; readonly failure: Failure }
  | { readonly type: 'progress'; readonly number: number; readonly progress: Progress }
  | {
      readonly type: 'log';
      readonly number: number;
      readonly entry: Parameters<Log>;
    }
  | {
      readonly type: 'ask';
      readonly question: number;
      readonly what: keyof Questions;
      readonly args: readonly unknown[];
    }
  | {
      readonly type: 'message';
      readonly level: LogLevel;
      readonly source: string;
      readonly text: string;
    }
  | { readonly type: 'ended' };

/** An error, as it passes: those without a return code are EXECUTION_EXCEPTION, and their text stays at the site. */
export interface Failure {
  readonly message: string;
  readonly returnCode?: Exclude<ReturnCode, 'OK'>;
  readonly errors?: readonly FieldError[];
}
