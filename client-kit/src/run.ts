import type { EventType } from '../../core/protocol/event-type.ts';
import type { FedEvent } from '../../core/protocol/fed-event.ts';
import type { FLContext } from '../../core/protocol/fl-context.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { ReturnCode } from '../../core/protocol/return-code.ts';
import type { Task } from '../../core/protocol/task.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { Content, Execution } from './assignment.ts';

/** Who hears of events: FLARE's FLComponent, as far as the run sees it. */
export interface EventHandler {
  readonly name: string;
  handleEvent(eventType: string, context: FLContext): void | Promise<void>;
}

export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'exception' | 'critical';

/** What an event is about, where it is about more than the one before. */
export interface Moment {
  readonly task?: Task;
  /** The task's tensors: before its filters, then after them. */
  readonly params?: Tensors | undefined;
  readonly execution?: Execution;
  readonly returnCode?: ReturnCode;
}

/** How components are heard outside of their run. */
export interface Voice {
  /** A line for `onEvent`. */
  readonly say: (level: LogLevel, source: string, text: string) => void;
  /** Carries federated events to the server. Rejects with ProblemError where it takes none, or can't be reached. */
  readonly sendEvents: (events: readonly FedEvent[]) => Promise<unknown>;
}

/** The job that a run is of. */
export interface RunJob extends Voice {
  readonly id: string;
  readonly spec: JobSpec;
  readonly site: string;
}

/**
 * A job's run at this site, for whoever listens: the kit tells it what it is about to do and what it has done, at FLARE's
 * points and in FLARE's order. `components` of ./executor makes one; where there is none, nobody listens, and nothing is
 * carried along for it.
 */
export interface Run {
  /** Resolves when every handler is done; a handler's failure is not the task's. */
  fire(event: EventType, moment?: Moment): Promise<void>;
  /** The execution as handlers left it. */
  settled(execution: Execution): Execution;
  /** What goes with every answer: the task's cookies, and public props. */
  said(): Content;
  add(handler: EventHandler): void;
  /** Aborts when a component has panicked: the site leaves the job. */
  readonly signal: AbortSignal;
}

export type MakeRun = (job: RunJob) => Run;
