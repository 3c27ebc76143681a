import type { AnalyticsEntry } from '../../core/protocol/analytics.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { Task } from '../../core/protocol/task.ts';
import type { LogOptions } from './analytics.ts';
import type { SiteEvent } from './event.ts';
import type { Progress } from './assignment.ts';
import { copyOf, lending } from './executors/app.ts';
import type { AppTask } from './executors/app.ts';
import { checkedModel, encodeResult } from './fl-model.ts';
import type { FLModel } from './fl-model.ts';
import { runSite } from './site.ts';
import type { SiteOptions } from './site.ts';
import { MemoryStore } from './store.ts';
import type { Store } from './store.ts';
import type { Acknowledgement } from './upload.ts';

export interface ClientOptions extends Omit<SiteOptions, 'app' | 'once' | 'store' | 'wants'> {
  /** Without it nothing outlives the process: see `FileStore` (./node) and `IndexedDbStore` (./browser). */
  readonly store?: Store | undefined;
  /** The job to work on; the first that wants this site if absent. */
  readonly job?: string | undefined;
  /** What the job calls its tasks, where not `train`, `validate` and `submit_model`. */
  readonly taskNames?: Partial<TaskNames> | undefined;
}

/** FLARE's train_task_name, evaluate_task_name, submit_model_task_name. */
export interface TaskNames {
  readonly train: string;
  readonly evaluate: string;
  readonly submitModel: string;
}

/** What became of a result: `closed` if the server had given the task up, and it wasn't sent. */
export type SendStatus = Acknowledgement | 'closed';

/** One task of `client.tasks()`. */
export interface ClientTask {
  readonly name: string;
  readonly model: FLModel;
  /** The job's args for this site's code. */
  readonly args: Readonly<Record<string, unknown>>;
  /** Aborts when the server gives the task up. */
  readonly signal: AbortSignal;
  readonly send: (model: FLModel) => Promise<SendStatus>;
}

interface Open {
  readonly app: AppTask;
  readonly answer: (model: FLModel) => void;
  /** As `receive` gave it. */
  model?: FLModel | undefined;
}

/**
 * FLARE's Client API (nvflare/client/api.py) for the `app` tasks of one job: your training loop stays yours.
 *
 *     const client = await init({ server, enrolment, name });
 *     while (await client.isRunning()) {
 *       const model = await client.receive();
 *       await client.send(await train(model));
 *     }
 */
export class Client {
  readonly #stopping = new AbortController();
  readonly #over: Promise<void>;
  #ended = false;
  #failure: unknown;
  #open: Open | undefined;
  #last: Open | undefined;
  /** The newest, answered or not: what is asked between tasks is asked of it. */
  #before: Open | undefined;
  readonly #names: TaskNames;
  #site = '';
  #joined = (): void => undefined;
  #wake = new Set<() => void>();
  #settled = new Map<string, (event: SiteEvent) => void>();

  private constructor({
    job,
    taskNames,
    store = new MemoryStore(),
    signal,
    ...options
  }: ClientOptions) {
    this.#names = {
      train: 'train',
      evaluate: 'validate',
      submitModel: 'submit_model',
      ...taskNames,
    };
    this.#over = runSite({
      ...options,
      store,
      once: true,
      wants: ({ id }) => job === undefined || id === job,
      app: lending((task) => this.#exchange(task)),
      signal: signal ? AbortSignal.any([signal, this.#stopping.signal]) : this.#stopping.signal,
      onEvent: (event) => {
        this.#observe(event);
        options.onEvent?.(event);
      },
    })
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#ended = true;
        this.#notify();
      });
  }

  /** Enrols or reads the site's identity, and begins. Rejects as `runSite` does. */
  static async init(options: ClientOptions): Promise<Client> {
    const client = new Client(options);
    const joined = new Promise<void>((resolve) => (client.#joined = resolve));
    await Promise.race([joined, client.#over]);
    if (client.#failure !== undefined) throw client.#failure;
    return client;
  }

  /** Waits for the next task; false when the job has ended. Rejects where the site can't go on (revoked). */
  async isRunning(): Promise<boolean> {
    while (!this.#open && !this.#ended) await this.#news();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#open !== undefined;
  }

  /**
   * The task's model; the same one again until `send`, with what was changed in place. Undefined when the job has
   * ended or `timeoutMS` has passed. A task without a model (`submit_model`) gives an FLModel without params.
   */
  async receive({ timeoutMS }: { timeoutMS?: number } = {}): Promise<FLModel | undefined> {
    if (timeoutMS === undefined) await this.isRunning();
    else if (!this.#open && !this.#ended) await this.#news(timeoutMS);
    return this.received();
  }

  /** What `receive` would give, if it is here already. */
  received(): FLModel | undefined {
    const open = this.#open;
    if (!open) return undefined;
    this.#last = open;
    open.model ??= modelOf(open.app);
    return open.model;
  }

  /** Forgets what was received: the task is still there, and `receive` gives its model as it came. */
  clear(): void {
    if (this.#open) this.#open.model = undefined;
    this.#last = undefined;
  }

  /**
   * Answers the task received. Resolves when the server has acknowledged it. Throws TypeError or RangeError on a model
   * that isn't one, Error without a task, and where the kit or the server could not take the result.
   */
  async send(model: FLModel): Promise<SendStatus> {
    const task = this.#last;
    if (!task) throw new Error('send() without receive()');
    encodeResult(model);
    this.#last = undefined;
    if (this.#open !== task) return 'closed';
    this.#open = undefined;
    const settled = new Promise<SiteEvent>((resolve) => {
      this.#settled.set(task.app.task.id, resolve);
    });
    task.answer(model);
    const event = await Promise.race([settled, this.#over]);
    this.#settled.delete(task.app.task.id);
    if (event?.type === 'failed') throw event.error;
    if (event?.type !== 'submitted') return 'closed';
    if (event.status === 'refused' || event.returnCode !== 'OK') {
      throw new Error(
        `the server refused the result: ${event.problem?.detail ?? event.returnCode}`,
      );
    }
    return event.status;
  }

  /** The job's tasks until it ends. One that isn't answered comes again. */
  async *tasks(): AsyncGenerator<ClientTask, void, undefined> {
    while (await this.isRunning()) {
      const model = await this.receive();
      const app = this.#last?.app;
      if (!model || !app) continue;
      const { task, args, signal } = app;
      yield { name: task.name, model, args, signal, send: (result) => this.send(result) };
    }
  }

  isTrain(): boolean {
    return this.getTaskName() === this.#names.train;
  }

  isEvaluate(): boolean {
    return this.getTaskName() === this.#names.evaluate;
  }

  isSubmitModel(): boolean {
    return this.getTaskName() === this.#names.submitModel;
  }

  getTaskName(): string {
    return this.#current().task.name;
  }

  getSiteName(): string {
    return this.#site;
  }

  getJobId(): string {
    return this.#current().task.job;
  }

  /** FLARE's system_info. */
  systemInfo(): { readonly jobId: string; readonly siteName: string } {
    return { jobId: this.getJobId(), siteName: this.#site };
  }

  /** The job's spec, the task as the server gave it, and the args for this site's code. */
  getConfig(): {
    readonly spec: JobSpec;
    readonly task: Task;
    readonly args: Readonly<Record<string, unknown>>;
  } {
    const { spec, task, args } = this.#current();
    return { spec, task, args };
  }

  /** Adds a value to the job's metric log. */
  log(key: string, value: AnalyticsEntry['value'], options?: LogOptions): void {
    this.#current().log(key, value, options);
  }

  /** Aborts when the server gives the task up. */
  signal(): AbortSignal {
    return this.#current().signal;
  }

  /** Tells `onEvent` how far the task is. */
  report(progress: Progress): void {
    this.#current().report(progress);
  }

  /** Stops. A task that wasn't answered is given to this site again when it comes back. */
  async shutdown(): Promise<void> {
    this.#stopping.abort(new Error('shutdown'));
    await this.#over;
  }

  #current(): AppTask {
    const open = this.#last ?? this.#open ?? this.#before;
    if (!open) throw new Error('no task: call isRunning() or receive() first');
    return open.app;
  }

  #exchange(app: AppTask): Promise<FLModel> {
    return new Promise((resolve) => {
      const open: Open = { app, answer: resolve };
      this.#open = open;
      this.#before = open;
      const drop = (): void => {
        if (this.#open === open) this.#open = undefined;
      };
      app.signal.addEventListener('abort', drop, { once: true });
      this.#notify();
    });
  }

  #observe(event: SiteEvent): void {
    if (event.type === 'joined') {
      this.#site = event.site;
      this.#joined();
    } else if (event.type === 'submitted') this.#settled.get(event.taskId)?.(event);
    else if (event.type === 'failed' || event.type === 'aborted') {
      this.#settled.get(event.task.id)?.(event);
    }
  }

  #notify(): void {
    for (const wake of this.#wake) wake();
    this.#wake.clear();
  }

  /** Until a task comes, the job ends, or the time is over. */
  #news(timeoutMS?: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.add(resolve);
      if (timeoutMS === undefined) return;
      setTimeout(() => {
        this.#wake.delete(resolve);
        resolve();
      }, timeoutMS);
    });
  }
}

/** With params of its own: a DIFF is against those that came. */
const modelOf = ({ task, params }: AppTask): FLModel =>
  checkedModel({
    ...(params && { params: copyOf(params) }),
    currentRound: task.round,
    totalRounds: task.totalRounds,
    meta: task.data,
  });
