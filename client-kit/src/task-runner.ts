import { applyChain } from '../../core/filters/chain.ts';
import type { Filter } from '../../core/filters/filter.ts';
import { findFilter } from '../../core/filters/registry.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Task } from '../../core/protocol/task.ts';
import type { TensorRole } from '../../core/tensors/manifest.ts';
import { decode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { Dataset } from './dataset.ts';
import type { BlobCache } from './download.ts';
import { infoOf } from './event.ts';
import type { Assignment, Execution, TaskExecutor, ExecutorKind, Log, Progress } from './assignment.ts';
import { encodeResult } from './fl-model.ts';
import type { EncodedResult, FLModel } from './fl-model.ts';
import type { Letter } from './outbox.ts';
import { convertParams } from './params.ts';
import { rngOf } from './seed.ts';
import type { Rng } from './seed.ts';
import type { SiteContext } from './site-context.ts';
import { scoped } from './store.ts';
import type { Store } from './store.ts';
import { TaskError } from './task-error.ts';

/** A job as this site holds it. */
export interface JobState {
  readonly id: string;
  readonly spec: JobSpec;
  /** The job's own storage on the site. */
  readonly own: Store;
  readonly programs: BlobCache;
  readonly models: BlobCache;
  readonly log: Log;
}

type FilterSpec = JobSpec['filters'][number];

/** Where an executor's own bytes lie in the job's storage. */
const EXECUTOR = 'executor/';

/**
 * Does a task: model in, executor, conversion, filters, result out. Rejects with TaskError where the answer is a return
 * code.
 */
export class TaskRunner {
  readonly #site: SiteContext;
  readonly #job: JobState;
  /** Made at their first task; by their place in the spec. */
  readonly #executors = new Map<number, TaskExecutor>();
  #data: Promise<Dataset> | undefined;

  constructor(site: SiteContext, job: JobState) {
    this.#site = site;
    this.#job = job;
  }

  async run(task: Task, signal: AbortSignal): Promise<Pick<Letter, 'result' | 'kept' | 'base'>> {
    const { kind, executor } = this.#executorFor(task.name);
    const received = await this.#receive(task, signal);
    const params = received && (await this.#filter('data', task, received, 'FULL'));
    const assignment = this.#assignment(task, params, signal);
    const work = (): Promise<Execution> => executor.execute(assignment);
    const execution = await (kind.exclusive ? this.#site.turnstile.pass(work, signal) : work());
    const model = await this.#outgoing(task, execution, received);
    const { kept } = execution;
    const result = encodeResult(model);
    checkSize(result, task);
    return {
      result,
      ...(task.model && model.params && task.paramsType === 'ANY' && { base: task.model }),
      ...(kept && { kept: new Map([...kept].map(([key, parts]) => [this.#place(key), parts])) }),
    };
  }

  async dispose(): Promise<void> {
    for (const executor of this.#executors.values()) await executor.dispose?.();
    this.#executors.clear();
  }

  #place(key: string): string {
    return `jobs/${this.#job.id}/${EXECUTOR}${key}`;
  }

  /** FLARE: the first executor whose patterns match; none is TASK_UNKNOWN. */
  #executorFor(taskName: string): { kind: ExecutorKind; executor: TaskExecutor } {
    const { executors } = this.#job.spec;
    const index = executors.findIndex((one) => this.#isFor(one, taskName));
    const chosen = executors[index];
    if (!chosen) throw new TaskError('TASK_UNKNOWN', `no executor does '${taskName}' here`);
    const kind = Object.hasOwn(this.#site.executors, chosen.use)
      ? this.#site.executors[chosen.use]
      : undefined;
    if (!kind) throw new TaskError('TASK_UNKNOWN', `this site has no executor '${chosen.use}'`);
    const executor =
      this.#executors.get(index) ??
      kind.make(chosen.args, {
        site: this.#site.name,
        store: scoped(this.#job.own, EXECUTOR),
        data: () => this.#dataset(),
        blob: async (digest, signal) => {
          const url = `/v1/jobs/${encodeURIComponent(this.#job.id)}/blobs/${digest}`;
          return (await this.#job.programs.get({ digest, url }, signal)).bytes;
        },
      });
    this.#executors.set(index, executor);
    return { kind, executor };
  }

  #isFor(spec: Pick<FilterSpec, 'tasks' | 'sites'>, taskName: string): boolean {
    return matchesAny(spec.tasks, taskName) && matchesAny(spec.sites, this.#site.name);
  }

  #dataset(): Promise<Dataset> {
    const { data } = this.#site;
    if (!data) throw new TaskError('BAD_TASK_DATA', 'this site has no data');
    // A failure isn't kept: the next task asks again.
    this.#data ??= Promise.resolve()
      .then(() => data({ id: this.#job.id, spec: this.#job.spec }))
      .catch((cause: unknown) => {
        this.#data = undefined;
        if (cause instanceof TaskError) throw cause;
        throw new TaskError('BAD_TASK_DATA', 'the data can not be read', [], { cause });
      });
    return this.#data;
  }

  async #receive(task: Task, signal: AbortSignal): Promise<Tensors | undefined> {
    if (!task.model) return undefined;
    const { models } = this.#job;
    await models.keepOnly(new Set([task.model.digest]));
    const { bytes, cached } = await models.get(task.model, signal);
    this.#site.onEvent({
      type: 'received',
      job: this.#job.id,
      task: infoOf(task),
      digest: task.model.digest,
      bytes: bytes.length,
      cached,
    });
    const decoded = decode(bytes);
    if (decoded.ok) return decoded.value.tensors;
    const { reason, expected, got, tensor = '' } = decoded.error;
    throw new TaskError('BAD_TASK_DATA', `the model: ${reason}`, [{ path: tensor, expected, got }]);
  }

  #assignment(task: Task, params: Tensors | undefined, signal: AbortSignal): Assignment {
    const { id, spec, log } = this.#job;
    const about = { job: id, task: infoOf(task) };
    return {
      task,
      spec,
      params,
      signal,
      log,
      report: (progress: Progress) => this.#site.onEvent({ ...about, ...progress }),
      rng: (purpose, scope = 'task') =>
        this.#rng(scope === 'task' ? task : { workflow: '', round: 0 }, purpose),
    };
  }

  #rng({ workflow, round }: Pick<Task, 'workflow' | 'round'>, purpose: string): Promise<Rng> {
    const { seed } = this.#job.spec;
    return rngOf({ seed, site: this.#site.name, workflow, round, purpose });
  }

  async #outgoing(
    task: Task,
    { model, transferType = 'FULL' }: Execution,
    received: Tensors | undefined,
  ): Promise<FLModel> {
    if (!model.params) return model;
    const paramsType = task.paramsType === 'ANY' ? transferType : task.paramsType;
    const has = model.paramsType ?? 'FULL';
    const converted = convertParams(model.params, has, paramsType, received);
    const params = await this.#filter('result', task, converted, paramsType);
    return { ...model, paramsType, params };
  }

  /** The job's filters for this task and site, and on results the site's own after them. */
  async #filter(
    on: FilterSpec['on'],
    task: Task,
    tensors: Tensors,
    paramsType: ParamsType,
  ): Promise<Tensors> {
    const { spec } = this.#job;
    const failure = on === 'data' ? 'TASK_DATA_FILTER_ERROR' : 'TASK_RESULT_FILTER_ERROR';
    const filters: Filter[] = [];
    for (const { use, args, ...one } of spec.filters) {
      if (one.at !== 'site' || one.on !== on || !this.#isFor(one, task.name)) continue;
      const made = findFilter(use)?.make(args);
      if (!made?.ok) throw new TaskError(failure, `this site can not filter with '${use}'`);
      filters.push(made.value);
    }
    if (on === 'result') filters.push(...(this.#site.policy?.(infoOf(task), spec) ?? []));
    if (filters.length === 0) return tensors;
    const rng = await this.#rng(task, `${on} filters`);
    const filtered = applyChain(filters, tensors, { roles: this.#roles(), paramsType, rng });
    if (filtered.ok) return filtered.value;
    const { filter, detail } = filtered.error;
    throw new TaskError(failure, `${filter}: ${detail}`);
  }

  #roles(): ReadonlyMap<string, TensorRole> {
    const manifest = this.#job.spec.programs['train']?.manifest;
    return new Map(manifest?.parameters.map(({ name, role }) => [name, role]));
  }
}

/** The server takes no body that is so much larger than the model: better to say so than to send it for nothing. */
const checkSize = ({ parts }: EncodedResult, { model }: Task): void => {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (!model || bytes <= model.bytes + LIMITS.headerBytes) return;
  const why = `the result takes ${bytes} bytes, the model ${model.bytes}`;
  throw new TaskError('EXECUTION_RESULT_ERROR', why);
};
