import type { FLContext } from '../../../core/protocol/fl-context.ts';
import type { ReturnCode } from '../../../core/protocol/return-code.ts';
import type { Shareable } from '../../../core/protocol/shareable.ts';
import type { LogLevel } from '../run.ts';
import { FLComponent } from '../executor/component.ts';
import type { Engine } from '../executor/engine.ts';
import type { FLModel } from '../fl-model.ts';

/** What a learner answers with: a model, or a return code. */
export type Answer = FLModel | ReturnCode;

/**
 * The learning of a site, in the two or three methods that it needs: FLARE's ModelLearner
 * (nvflare/app_common/abstract/model_learner.py). `initialize` is called once, before the first task; `finalize` at the end of
 * the run; `abort` while a task is being done that nobody wants any more. Before each `train` the model is
 * validated, and the metrics travel with what was trained. One task at a time.
 */
export class ModelLearner extends FLComponent {
  siteName = '';
  jobId = '';
  /** From 0. */
  currentRound = 0;
  totalRounds = 0;
  /** The args that the job gives this learner. */
  args: Readonly<Record<string, unknown>> = {};
  /** The task as it came, and where components meet. */
  shareable: Shareable | undefined;
  context: FLContext | undefined;
  engine: Engine | undefined;
  abortSignal: AbortSignal | undefined;

  initialize(): void | Promise<void> {}

  /** Trains the model. Its metrics, if it gives any, are replaced by those of `validate` before. */
  train(_model: FLModel): Answer | Promise<Answer> {
    return 'EMPTY_RESULT';
  }

  /** The site's own model: `name` is 'last' or 'best', as the job asks. */
  getModel(_name: string): Answer | Promise<Answer> {
    return 'EMPTY_RESULT';
  }

  /** Metrics of this model on this site's data. */
  validate(_model: FLModel): Answer | Promise<Answer> {
    return 'EMPTY_RESULT';
  }

  /** A task `configure`: the configuration is in the model's meta. */
  configure(_model: FLModel): void | Promise<void> {}

  /** The task is over; `abortSignal` says so too. */
  abort(): void | Promise<void> {}

  finalize(): void | Promise<void> {}

  isAborted(): boolean {
    return this.abortSignal?.aborted ?? false;
  }

  getShareableHeader(key: string): unknown;
  getShareableHeader<T>(key: string, otherwise: T): T;
  getShareableHeader<T>(key: string, otherwise?: T): T | undefined {
    return (this.shareable?.getHeader(key) as T | undefined) ?? otherwise;
  }

  getContextProp(key: string): unknown;
  getContextProp<T>(key: string, otherwise: T): T;
  getContextProp<T>(key: string, otherwise?: T): T | undefined {
    return (this.context?.getProp(key) as T | undefined) ?? otherwise;
  }

  getComponent(id: string): unknown {
    return this.engine?.getComponent(id);
  }

  /** Ends the task: the server gets EXECUTION_EXCEPTION, the reason stays here. */
  stopTask(reason: string): never {
    throw new Error(`task stopped: ${reason}`);
  }

  /** Fires an event at this site's components. */
  async event(eventType: string): Promise<void> {
    if (this.context) await this.fireEvent(eventType, this.context);
  }

  /** This site can't go on in this job: see `systemPanic`. */
  async panic(reason: string): Promise<void> {
    if (this.context) await this.systemPanic(reason, this.context);
  }

  debug(text: string): Promise<void> {
    return this.#say('debug', text);
  }

  info(text: string): Promise<void> {
    return this.#say('info', text);
  }

  warning(text: string): Promise<void> {
    return this.#say('warning', text);
  }

  error(text: string): Promise<void> {
    return this.#say('error', text);
  }

  /** With what was thrown. */
  exception(text: string): Promise<void> {
    return this.#say('exception', text);
  }

  critical(text: string): Promise<void> {
    return this.#say('critical', text);
  }

  async #say(level: LogLevel, text: string): Promise<void> {
    if (this.context) await this.log(level, this.context, text);
  }
}
