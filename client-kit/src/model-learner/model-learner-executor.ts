import { MetaKey } from '../../../core/protocol/dxo.ts';
import { EventType } from '../../../core/protocol/event-type.ts';
import type { FLContext } from '../../../core/protocol/fl-context.ts';
import { RETURN_CODES } from '../../../core/protocol/return-code.ts';
import type { ReturnCode } from '../../../core/protocol/return-code.ts';
import { HeaderKey, makeReply } from '../../../core/protocol/shareable.ts';
import type { Shareable } from '../../../core/protocol/shareable.ts';
import type { ExecutorKind } from '../assignment.ts';
import { Engine } from '../executor/engine.ts';
import { Executor, executor } from '../executor/executor.ts';
import type { ExecutorParts } from '../executor/executor.ts';
import { fromShareable, toShareable } from '../executor/fl-model-form.ts';
import type { FLModel } from '../fl-model.ts';
import { Turnstile } from '../turnstile.ts';
import { FLContextKey } from '../../../core/protocol/fl-context.ts';
import type { ModelLearner } from './model-learner.ts';

/** What the job calls its tasks. */
export interface TaskNames {
  readonly train: string;
  readonly submitModel: string;
  readonly validate: string;
  readonly configure: string;
}

const NAMES: TaskNames = {
  train: 'train',
  submitModel: 'submit_model',
  validate: 'validate',
  configure: 'configure',
};

/** Never aborts. */
const LASTING = new AbortController().signal;

/** FLARE's ModelLearnerExecutor (nvflare/app_common/executors/model_learner_executor.py): a learner's lifecycle. */
class ModelLearnerExecutor extends Executor {
  readonly #learner: ModelLearner;
  readonly #parts: ExecutorParts;
  readonly #tasks: ReadonlyMap<string, (shareable: Shareable) => Promise<Shareable>>;
  readonly #turn = new Turnstile();
  #initialized = false;

  constructor(learner: ModelLearner, names: TaskNames, parts: ExecutorParts) {
    super();
    this.#learner = learner;
    this.#parts = parts;
    this.#tasks = new Map([
      [names.train, (shareable) => this.#train(shareable)],
      [names.submitModel, (shareable) => this.#submit(shareable)],
      [names.validate, (shareable) => this.#validate(shareable)],
      [names.configure, (shareable) => this.#configure(shareable)],
    ]);
  }

  override async handleEvent(eventType: string, context: FLContext): Promise<void> {
    const learner = this.#learner;
    const engine = context.getProp(FLContextKey.ENGINE);
    if (eventType === EventType.ABOUT_TO_START_RUN && engine instanceof Engine) engine.add(learner);
    if (eventType === EventType.ABORT_TASK) await learner.abort();
    if (eventType === EventType.END_RUN) {
      learner.context = context;
      await learner.finalize();
    }
  }

  execute(
    taskName: string,
    shareable: Shareable,
    context: FLContext,
    abortSignal: AbortSignal,
  ): Promise<Shareable> {
    // One at a time: the task is kept in the learner. One that was aborted may still be at work.
    return this.#turn.pass(async () => {
      this.#setUp(shareable, context, abortSignal);
      if (!this.#initialized) {
        this.#initialized = true;
        await this.#learner.initialize();
      }
      const task = this.#tasks.get(taskName);
      return task ? task(shareable) : makeReply('TASK_UNKNOWN');
    }, LASTING);
  }

  #setUp(shareable: Shareable, context: FLContext, abortSignal: AbortSignal): void {
    const learner = this.#learner;
    Object.assign(learner, { shareable, context, abortSignal });
    learner.args = this.#parts.args;
    learner.siteName ||= context.getIdentityName();
    learner.jobId ||= context.getJobId();
    learner.engine ??= context.getProp(FLContextKey.ENGINE) as Engine | undefined;
    learner.currentRound = shareable.getHeader(HeaderKey.CURRENT_ROUND, 0);
    learner.totalRounds = shareable.getHeader(HeaderKey.NUM_ROUNDS, 0);
  }

  async #train(shareable: Shareable): Promise<Shareable> {
    shareable.setHeader(HeaderKey.VALIDATE_TYPE, 'before_train_validate');
    const model = await this.#model(shareable);
    if (!model) return makeReply('BAD_REQUEST_DATA');
    const before = await this.#ask('pretrain validate', () => this.#learner.validate(model));
    if (before === FAILED) return makeReply('EXECUTION_EXCEPTION');
    const metrics = typeof before === 'object' ? before.metrics : undefined;
    if (!metrics) await this.#learner.warning(`pretrain validate: no metrics, ${said(before)}`);
    const trained = await this.#ask('train', () => this.#learner.train(model));
    // FLARE: what the learner measured after training is no metric of the model that it received.
    return this.#reply('train', trained, (result) => ({
      ...result,
      ...(metrics && { meta: { ...result.meta, [MetaKey.INITIAL_METRICS]: metrics } }),
    }));
  }

  async #submit(shareable: Shareable): Promise<Shareable> {
    const name = shareable.getHeader(HeaderKey.SUBMIT_MODEL_NAME, 'last');
    return this.#reply(
      'get_model',
      await this.#ask('get_model', () => this.#learner.getModel(name)),
    );
  }

  async #validate(shareable: Shareable): Promise<Shareable> {
    const model = await this.#model(shareable);
    if (!model) return makeReply('BAD_REQUEST_DATA');
    return this.#reply(
      'validate',
      await this.#ask('validate', () => this.#learner.validate(model)),
    );
  }

  async #configure(shareable: Shareable): Promise<Shareable> {
    const model = configOf(shareable);
    const done = await this.#ask('configure', async () => this.#learner.configure(model));
    return makeReply(done === FAILED ? 'EXECUTION_EXCEPTION' : 'OK');
  }

  async #model(shareable: Shareable): Promise<FLModel | undefined> {
    try {
      return fromShareable(shareable);
    } catch (error) {
      await this.#learner.error(`the task brings no model: ${textOf(error)}`);
      return undefined;
    }
  }

  async #ask<T>(what: string, question: () => T | Promise<T>): Promise<T | typeof FAILED> {
    try {
      return await question();
    } catch (error) {
      await this.#learner.exception(`failed to ${what}: ${textOf(error)}`);
      return FAILED;
    }
  }

  async #reply(
    what: string,
    answer: FLModel | ReturnCode | typeof FAILED,
    finish: (result: FLModel) => FLModel = (result) => result,
  ): Promise<Shareable> {
    if (answer === FAILED) return makeReply('EXECUTION_EXCEPTION');
    if (typeof answer === 'object') return toShareable(finish(answer));
    if (RETURN_CODES.includes(answer)) return makeReply(answer);
    await this.#learner.error(`bad result from ${what}: ${said(answer)}`);
    return makeReply('EMPTY_RESULT');
  }
}

const FAILED = Symbol('failed');

const said = (answer: unknown): string =>
  typeof answer === 'string' ? answer : `got ${answer === null ? 'null' : typeof answer}`;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** `configure` has no params: its DXO's meta or data is the configuration. */
const configOf = (shareable: Shareable): FLModel => {
  const { data, meta } = (shareable.get('DXO') ?? {}) as { data?: unknown; meta?: object };
  return { meta: { ...(data instanceof Map ? {} : (data as object | undefined)), ...meta } };
};

/** A learner for `runSite({ app })`: made once a job, for a job whose executor is `app`. */
export const modelLearner = (
  make: (parts: ExecutorParts) => ModelLearner,
  names: Partial<TaskNames> = {},
): ExecutorKind =>
  executor((parts) => new ModelLearnerExecutor(make(parts), { ...NAMES, ...names }, parts));
