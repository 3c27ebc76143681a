import type {
  Assignment,
  Execution,
  ExecutorKind,
  Resources,
  TaskExecutor,
} from '../assignment.ts';
import { pause } from '../backoff.ts';
import { errorOf, failureOf } from './failure.ts';
import type { FromWorker, Questions, ToWorker } from './messages.ts';
import { listen } from './worker-port.ts';
import type { WorkerLike } from './worker-port.ts';

export interface InWorkerOptions {
  /** How long a task that nobody wants any more may take to notice; then the worker is terminated. 1000 if absent. */
  readonly graceMS?: number | undefined;
  /** False where a worker waits for something rather than work. */
  readonly exclusive?: boolean | undefined;
}

/**
 * Does an app's tasks in a worker, whose script calls `serveTasks`; one worker a job, made at its first task:
 *
 *     runSite({ ..., app: inWorker(() => new Worker(new URL('./train.ts', import.meta.url), { type: 'module' })) })
 *
 * A task that is aborted and goes on is stopped by ending the worker, whatever it is doing; the next task gets a new one.
 */
export const inWorker = (make: () => WorkerLike, options: InWorkerOptions = {}): ExecutorKind => ({
  exclusive: options.exclusive ?? true,
  make: (args, resources) => new WorkerExecutor(make, args, resources, options.graceMS ?? 1000),
});

interface Running {
  readonly run: number;
  readonly assignment: Assignment;
  readonly resolve: (execution: Execution) => void;
  readonly reject: (error: Error) => void;
  /** The worker has done with it, well or not. */
  readonly over: () => void;
}

class WorkerExecutor implements TaskExecutor {
  readonly #make: () => WorkerLike;
  readonly #args: Readonly<Record<string, unknown>>;
  readonly #resources: Resources;
  readonly #graceMS: number;
  #worker: WorkerLike | undefined;
  #running: Running | undefined;
  #stopping: Promise<void> | undefined;
  #ended = (): void => undefined;
  #runs = 0;

  constructor(
    make: () => WorkerLike,
    args: Readonly<Record<string, unknown>>,
    resources: Resources,
    graceMS: number,
  ) {
    this.#make = make;
    this.#args = args;
    this.#resources = resources;
    this.#graceMS = graceMS;
  }

  async execute(assignment: Assignment): Promise<Execution> {
    await this.#stopping;
    const { task, spec, params, signal } = assignment;
    signal.throwIfAborted();
    const worker = (this.#worker ??= this.#start());
    const run = this.#runs++;
    let over = (): void => undefined;
    const ended = new Promise<void>((resolve) => (over = resolve));
    return new Promise<Execution>((resolve, reject) => {
      const abort = (): void => {
        reject(signal.reason as Error);
        this.#stopping = this.#stop(run, ended).finally(() => (this.#stopping = undefined));
      };
      void ended.then(() => signal.removeEventListener('abort', abort));
      this.#running = { run, assignment, resolve, reject, over };
      signal.addEventListener('abort', abort, { once: true });
      post(worker, { type: 'execute', number: run, task, spec, params });
    });
  }

  /** Lets the worker end its run, for a while. */
  async dispose(): Promise<void> {
    await this.#stopping;
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    post(worker, { type: 'end' });
    await Promise.race([ended, pause(this.#graceMS)]);
    this.#worker = undefined;
    await worker.terminate();
  }

  #start(): WorkerLike {
    const worker = this.#make();
    listen<FromWorker>(worker, {
      message: (message) => {
        if (worker === this.#worker) this.#hear(worker, message);
      },
      failed: (error) => {
        if (worker !== this.#worker) return;
        this.#worker = undefined;
        this.#settle((running) => running.reject(error));
      },
    });
    post(worker, { type: 'make', args: this.#args, site: this.#resources.site });
    return worker;
  }

  /** The worker may stop by itself; if it doesn't, it is stopped. */
  async #stop(run: number, over: Promise<void>): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    post(worker, { type: 'abort', number: run });
    await Promise.race([over, pause(this.#graceMS)]);
    if (this.#running?.run !== run) return;
    this.#running = undefined;
    this.#worker = undefined;
    await worker.terminate();
  }

  #hear(worker: WorkerLike, message: FromWorker): void {
    const running = this.#running;
    if (message.type === 'ended') return this.#ended();
    if (message.type === 'ask') return void this.#answer(worker, message);
    if (message.type === 'message') {
      const { level, source, text } = message;
      return this.#resources.voice.say(level, source, text);
    }
    if (running?.run !== message.number) return;
    if (message.type === 'progress') running.assignment.report(message.progress);
    else if (message.type === 'log') running.assignment.log(...message.entry);
    else if (message.type === 'done') this.#settle(({ resolve }) => resolve(message.execution));
    else this.#settle(({ reject }) => reject(errorOf(message.failure)));
  }

  #settle(how: (running: Running) => void): void {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    how(running);
    running.over();
  }

  async #answer(
    worker: WorkerLike,
    { question, what, args }: Extract<FromWorker, { type: 'ask' }>,
  ): Promise<void> {
    const { store, data, blob } = this.#resources;
    const known: Questions = {
      data,
      blob: (digest) => blob(digest),
      // A Blob of a file can't be sent on.
      read: async (key) => (await store.read(key))?.arrayBuffer(),
      write: (key, parts) => store.write(key, parts as Uint8Array<ArrayBuffer>[]),
      delete: (key) => store.delete(key),
      list: (prefix) => store.list(prefix),
      sendEvents: (events) => this.#resources.voice.sendEvents(events),
    };
    const ask = known[what] as (...args: readonly unknown[]) => unknown;
    try {
      post(worker, { type: 'answer', question, value: await ask(...args) });
    } catch (error) {
      post(worker, { type: 'refusal', question, failure: failureOf(error) });
    }
  }
}

const post = (worker: WorkerLike, message: ToWorker): void => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- to a worker, not to a window
  worker.postMessage(message);
};
