import type { JobSpec } from '../../../core/protocol/job.ts';
import type { Task } from '../../../core/protocol/task.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type {
  Assignment,
  Execution,
  ExecutorKind,
  Resources,
  TaskExecutor,
} from '../assignment.ts';
import type { Dataset } from '../dataset.ts';
import { app } from '../executors/app.ts';
import type { App } from '../executors/app.ts';
import type { Run, Voice } from '../run.ts';
import { rngOf } from '../seed.ts';
import { errorOf, failureOf } from './failure.ts';
import type { FromWorker, Questions, ToWorker } from './messages.ts';
import { listen } from './worker-port.ts';
import type { PortLike } from './worker-port.ts';

type Execute = Extract<ToWorker, { type: 'execute' }>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Of a Worker, or of node:worker_threads, if this runs in one. */
const portHere = (): PortLike => {
  const { process } = globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } };
  const threads = process?.getBuiltinModule?.('node:worker_threads') as
    | { parentPort: PortLike | null }
    | undefined;
  return threads?.parentPort ?? globalThis;
};

/**
 * Called in a worker's script: does the tasks that `inWorker` sends, with an app (its tensors are its own to change), or
 * with what `onnx` gives. The site's data, store and blobs are asked for through the port.
 */
export const serveTasks = (code: App | ExecutorKind, port: PortLike = portHere()): void => {
  const kind = typeof code === 'function' ? app(code) : code;
  const aborts = new Map<number, AbortController>();
  const pending = new Map<number, Pending>();
  let questions = 0;
  let site = '';
  let executor: TaskExecutor | undefined;
  let run: Run | undefined;
  const post = (message: FromWorker): void => port.postMessage(message);
  const ask = <What extends keyof Questions, T>(
    what: What,
    ...args: Parameters<Questions[What]>
  ): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const question = questions++;
      pending.set(question, { resolve: (value) => resolve(value as T), reject });
      post({ type: 'ask', question, what, args });
    });
  const voice: Voice = {
    say: (level, source, text) => post({ type: 'message', level, source, text }),
    sendEvents: (events) => ask('sendEvents', events),
  };
  const resources = (): Resources => ({
    site,
    store: {
      read: async (key) => {
        const bytes = await ask<'read', ArrayBuffer | undefined>('read', key);
        return bytes && new Blob([bytes]);
      },
      write: (key, parts) => ask('write', key, parts),
      delete: (key) => ask('delete', key),
      list: (prefix) => ask('list', prefix),
    },
    data: () => ask<'data', Dataset>('data'),
    blob: (digest) => ask('blob', digest),
    voice,
  });
  /** Components of this thread hear of what concerns executors: the rest is the site's. */
  const begin = async (task: Task, spec: JobSpec, params: Tensors | undefined): Promise<void> => {
    if (!kind.run) return;
    if (!run) {
      run = kind.run({ id: task.job, spec, site, ...voice });
      if (executor?.handler) run.add(executor.handler);
      await run.fire('_about_to_start_run');
      await run.fire('_start_run');
    }
    await run.fire('_before_pull_task');
    await run.fire('_after_pull_task', { task });
    await run.fire('_after_task_data_filter', { task, params });
    await run.fire('_before_task_execution');
  };
  const abort = (number: number): void => {
    aborts.get(number)?.abort(new Error('aborted'));
    void run?.fire('_abort_task');
  };
  const end = async (): Promise<void> => {
    await run?.fire('_about_to_end_run');
    await run?.fire('_end_run');
    await executor?.dispose?.();
  };
  const execute = async ({ number, task, spec, params }: Execute): Promise<void> => {
    const over = new AbortController();
    aborts.set(number, over);
    const assignment: Omit<Assignment, 'run'> = {
      task,
      spec,
      params,
      signal: over.signal,
      rng: (purpose, scope = 'task') => {
        const { workflow, round } = scope === 'task' ? task : { workflow: '', round: 0 };
        return rngOf({ seed: spec.seed, site, workflow, round, purpose });
      },
      report: (progress) => post({ type: 'progress', number, progress }),
      log: (...entry) => post({ type: 'log', number, entry }),
    };
    try {
      if (!executor) throw new Error('a task before its executor');
      await begin(task, spec, params);
      const done = await executor.execute({ ...assignment, run });
      await run?.fire('_after_task_execution', { execution: done });
      const execution = withoutShareable(run?.settled(done) ?? done);
      post({ type: 'done', number, execution });
    } catch (error) {
      post({ type: 'failed', number, failure: failureOf(error) });
    } finally {
      aborts.delete(number);
    }
  };
  const settle = (question: number, how: (one: Pending) => void): void => {
    const one = pending.get(question);
    pending.delete(question);
    if (one) how(one);
  };
  listen<ToWorker>(port, {
    message: (message) => {
      if (message.type === 'make') {
        site = message.site;
        executor = kind.make(message.args, resources());
      } else if (message.type === 'execute') void execute(message);
      else if (message.type === 'abort') abort(message.number);
      else if (message.type === 'answer')
        settle(message.question, (one) => one.resolve(message.value));
      else if (message.type === 'refusal') {
        settle(message.question, (one) => one.reject(errorOf(message.failure)));
      } else {
        void end().finally(() => post({ type: 'ended' }));
      }
    },
  });
};

/** A Shareable doesn't pass: it passes as what it comes to. */
const withoutShareable = ({ shareable: _shareable, ...execution }: Execution): Execution =>
  execution;
