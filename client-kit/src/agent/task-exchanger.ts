import { TASK_EXCHANGER_DEFAULTS } from '../../../core/protocol/executors.ts';
import type { TaskExchangerArgs } from '../../../core/protocol/executors.ts';
import type { Task } from '../../../core/protocol/task.ts';
import type {
  Assignment,
  Execution,
  TaskExecutor,
  ExecutorKind,
  Resources,
} from '../assignment.ts';
import { deleteAll, scoped } from '../store.ts';
import type { Store } from '../store.ts';
import { TaskError } from '../task-error.ts';
import { Line } from './line.ts';
import { decodeMessage, encodeMessage, SAFETENSORS_TYPE } from './message.ts';
import type { Offer, Reply } from './offer.ts';
import type { SitePipe } from './pipe.ts';
import { readReply } from './reply.ts';

/** Where the results of agents lie in the job's storage, until the next task. */
const RESULTS = 'agent/result/';
/** Lies there while the job lasts: it goes with the job's storage. */
const BEGUN = 'agent/begun';

/**
 * FLARE's TaskExchanger (2.8: nvflare/app_common/executors/task_exchanger.py): has a job's tasks done by an agent at the
 * other end of a pipe. `pipes` are this site's own, by the names that jobs use (`args.pipe`, `agent` by default): an
 * address is the site's business, never a job's. A result is stored before the agent hears that it was accepted, so that
 * neither side's death loses one or takes one twice.
 */
export const taskExchanger = (
  pipes: Readonly<Record<string, SitePipe>>,
  { now = Date.now }: { readonly now?: () => number } = {},
): ExecutorKind => {
  const lines = new Map(Object.entries(pipes).map(([name, pipe]) => [name, new Line(pipe, now)]));
  return {
    exclusive: false,
    make: (given, resources) => {
      const args = { ...TASK_EXCHANGER_DEFAULTS, ...given } as TaskExchangerArgs;
      return new TaskExchanger(args, lines.get(args.pipe), resources);
    },
  };
};

class TaskExchanger implements TaskExecutor {
  readonly #args: TaskExchangerArgs;
  readonly #line: Line | undefined;
  readonly #site: string;
  readonly #store: Store;
  #job: string | undefined;

  constructor(args: TaskExchangerArgs, line: Line | undefined, { site, store }: Resources) {
    this.#args = args;
    this.#line = line;
    this.#site = site;
    this.#store = store;
  }

  async execute(assignment: Assignment): Promise<Execution> {
    const { task, signal } = assignment;
    const stored = await this.#stored(task.id);
    if (stored) return this.#execution(stored);
    const line = await this.#begin(task.job);
    const results = scoped(this.#store, RESULTS);
    for (const earlier of await results.list('')) {
      line.exchange.answered(earlier);
      await results.delete(earlier);
    }
    const reply = await line.exchange.offer(this.#offer(assignment), signal);
    return this.#execution(reply);
  }

  async dispose(): Promise<void> {
    if (this.#job === undefined) return;
    // The job's storage outlives the site's stop, and goes when the job ends.
    const ended = (await this.#store.list(BEGUN)).length === 0;
    await this.#line?.leave(this.#job, ended ? 'the job has ended' : undefined);
  }

  async #begin(job: string): Promise<Line> {
    const line = this.#line;
    if (!line) {
      const why = `this site has no agent at a pipe '${this.#args.pipe}'`;
      throw new TaskError('TASK_UNSUPPORTED', why);
    }
    if (this.#job === undefined) {
      await this.#store.write(BEGUN, []);
      await line.enter();
      this.#job = job;
    }
    return line;
  }

  #offer({ task, params, log }: Assignment): Offer {
    const { heartbeatTimeout, peerReadTimeout, taskWaitTime, config } = this.#args;
    const { id, name, job, workflow, round, totalRounds, paramsType, data }: Task = task;
    const head = { name, job, workflow, round, totalRounds, paramsType, data };
    return {
      head: { task: id, site: this.#site, ...head, config },
      params,
      log,
      patience: {
        heartbeatTimeout: heartbeatTimeout * 1000,
        peerReadTimeout: peerReadTimeout * 1000,
        taskWaitTime: (taskWaitTime ?? Infinity) * 1000,
      },
      keep: (reply) => this.#keep(id, reply),
    };
  }

  #keep(task: string, { header, model }: Reply): Promise<void> {
    const params = model instanceof TaskError ? undefined : model.params;
    const { parts } = encodeMessage({ head: header, tensors: params ?? new Map() });
    return this.#store.write(RESULTS + task, parts);
  }

  async #stored(task: string): Promise<Reply | undefined> {
    const blob = await this.#store.read(RESULTS + task);
    if (!blob) return undefined;
    try {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const { head, tensors } = decodeMessage(SAFETENSORS_TYPE, bytes);
      return readReply(head, tensors);
    } catch {
      // Not as it was written: the disk's fault. The agent does the task again.
      await deleteAll(this.#store, RESULTS + task);
      return undefined;
    }
  }

  #execution({ model, content }: Reply): Execution {
    if (model instanceof TaskError) throw model;
    const { transferType } = this.#args;
    return { model, transferType, ...(content && { content }) };
  }
}
