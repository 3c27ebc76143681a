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
import type {
  Assignment,
  Content,
  Execution,
  ExecutorKind,
  Log,
  Progress,
  TaskExecutor,
} from './assignment.ts';
import { encodeResult } from './fl-model.ts';
import type { Run, Voice } from './run.ts';
import type { EncodedResult, FLModel } from './fl-model.ts';
import type { Letter } from './outbox.ts';
import { convertParams } from './params.ts';
import { withinLimits } from './policy/within-limits.ts';
import type { Count } from './policy/within-limits.ts';
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
  /** Whoever listens. */
  readonly run?: Run | undefined;
  readonly voice: Voice;
  /** Why nothing of it is done here: the owner's policy, or the owner, said no. */
  readonly refusal?: TaskError | undefined;
}

type FilterSpec = JobSpec['filters'][number];
type ExecutorSpec = JobSpec['executors'][number];

/** A filter, and whose will it is. */
interface OwnedFilter {
  readonly owner: 'job' | 'site';
  readonly filter: Filter;
}

const nameOf = ({ owner, filter }: OwnedFilter): string => `${owner}:${filter.name}`;

const FAILURE = { data: 'TASK_DATA_FILTER_ERROR', result: 'TASK_RESULT_FILTER_ERROR' } as const;

/** A task's result, and what belongs to it. */
export type Answer = Pick<Letter, 'result' | 'kept' | 'base' | 'filters'>;

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

  /** Makes the executors that this site may need, so that they hear of the run's start. */
  prepare(): void {
    for (const [index, spec] of this.#job.spec.executors.entries()) {
      if (matchesAny(spec.sites, this.#site.name) && this.#kindOf(spec)) this.#executor(index);
    }
  }

  async run(task: Task, signal: AbortSignal): Promise<Answer> {
    const { policy, store } = this.#site;
    const { run, refusal } = this.#job;
    if (refusal) throw refusal;
    await policy?.admit?.(task, store);
    const { kind, executor } = this.#executorFor(task.name);
    const received = await this.#receive(task, signal);
    await run?.fire('_before_task_data_filter', { task, params: received });
    const params = received && (await this.#filter('data', task, received, 'FULL'));
    await run?.fire('_after_task_data_filter', { task, params });
    await run?.fire('_before_task_execution');
    const work = (): Promise<Execution> =>
      withinLimits(policy?.limits, signal, (within, count) =>
        executor.execute(this.#assignment(task, params, within, count)),
      );
    const abort = (): void => void run?.fire('_abort_task');
    signal.addEventListener('abort', abort, { once: true });
    const done = await (kind.exclusive ? this.#site.turnstile.pass(work, signal) : work()).finally(
      () => signal.removeEventListener('abort', abort),
    );
    await run?.fire('_after_task_execution', { execution: done });
    await run?.fire('_before_task_result_filter');
    const execution = run?.settled(done) ?? done;
    const model = await this.#outgoing(task, execution, received);
    await run?.fire('_after_task_result_filter', { execution: { ...execution, model } });
    const { kept } = execution;
    const result = encodeResult(model, this.#said(execution));
    checkSize(result, task);
    await policy?.release?.(sizeOf(result), store);
    return {
      result,
      ...(model.params && { filters: this.#filtersFor('result', task).map(nameOf) }),
      ...(task.model && model.params && task.paramsType === 'ANY' && { base: task.model }),
      ...(kept && { kept: new Map([...kept].map(([key, parts]) => [this.#place(key), parts])) }),
    };
  }

  /** What the executor says beside its model, and what goes with every answer of this run. */
  #said({ content }: Execution): Content | undefined {
    const { run } = this.#job;
    if (!run) return content;
    const { headers, ...said } = run.said();
    if (!content && !said.peerProps && !headers) return undefined;
    return { ...said, ...content, headers: { ...headers, ...content?.headers } };
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
    const kind = this.#kindOf(chosen);
    if (!kind) throw new TaskError('TASK_UNKNOWN', `this site has no executor '${chosen.use}'`);
    return { kind, executor: this.#executor(index) };
  }

  #kindOf({ use }: ExecutorSpec): ExecutorKind | undefined {
    return Object.hasOwn(this.#site.executors, use) ? this.#site.executors[use] : undefined;
  }

  /** The one in this place of the spec, for which the site has a kind. */
  #executor(index: number): TaskExecutor {
    const made = this.#executors.get(index);
    if (made) return made;
    const spec = this.#job.spec.executors[index] as ExecutorSpec;
    const executor = (this.#kindOf(spec) as ExecutorKind).make(spec.args, {
      site: this.#site.name,
      store: scoped(this.#job.own, EXECUTOR),
      data: () => this.#dataset(),
      voice: this.#job.voice,
      blob: async (digest, signal) => {
        const url = `/v1/jobs/${encodeURIComponent(this.#job.id)}/blobs/${digest}`;
        return (await this.#job.programs.get({ digest, url }, signal)).bytes;
      },
    });
    this.#executors.set(index, executor);
    if (executor.handler) this.#job.run?.add(executor.handler);
    return executor;
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

  #assignment(
    task: Task,
    params: Tensors | undefined,
    signal: AbortSignal,
    count: Count,
  ): Assignment {
    const { id, spec, log, run } = this.#job;
    const about = { job: id, task: infoOf(task) };
    return {
      task,
      spec,
      params,
      signal,
      log,
      run,
      report: (progress: Progress) => {
        if (progress.type === 'step') count(progress.step);
        this.#site.onEvent({ ...about, ...progress });
      },
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
    const differs = this.#filtersFor('result', task).some(({ filter }) => filter.needs === 'DIFF');
    const paramsType =
      task.paramsType !== 'ANY' ? task.paramsType : differs ? 'DIFF' : transferType;
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
    const filters = this.#filtersFor(on, task).map(({ filter }) => filter);
    if (filters.length === 0) return tensors;
    const rng = await this.#rng(task, `${on} filters`);
    const filtered = applyChain(filters, tensors, { roles: this.#roles(), paramsType, rng });
    if (filtered.ok) return filtered.value;
    const { filter, detail } = filtered.error;
    throw new TaskError(FAILURE[on], `${filter}: ${detail}`);
  }

  /** The job's filters for this task and site, and around them the site's own, which no job can take away. */
  #filtersFor(on: FilterSpec['on'], task: Task): readonly OwnedFilter[] {
    const { spec } = this.#job;
    const ofJob: OwnedFilter[] = [];
    for (const { use, args, ...one } of spec.filters) {
      if (one.at !== 'site' || one.on !== on || !this.#isFor(one, task.name)) continue;
      const made = findFilter(use)?.make(args);
      if (!made?.ok) throw new TaskError(FAILURE[on], `this site can not filter with '${use}'`);
      ofJob.push({ owner: 'job', filter: made.value });
    }
    const own = this.#site.policy?.filters?.(on, infoOf(task), spec) ?? [];
    const ofSite = own.map((filter): OwnedFilter => ({ owner: 'site', filter }));
    return on === 'data' ? [...ofSite, ...ofJob] : [...ofJob, ...ofSite];
  }

  #roles(): ReadonlyMap<string, TensorRole> {
    const manifest = this.#job.spec.programs['train']?.manifest;
    return new Map(manifest?.parameters.map(({ name, role }) => [name, role]));
  }
}

const sizeOf = ({ parts }: EncodedResult): number =>
  parts.reduce((sum, part) => sum + part.length, 0);

/** The server takes no body that is so much larger than the model: better to say so than to send it for nothing. */
const checkSize = (result: EncodedResult, { model }: Task): void => {
  const bytes = sizeOf(result);
  if (!model || bytes <= model.bytes + LIMITS.headerBytes) return;
  const why = `the result takes ${bytes} bytes, the model ${model.bytes}`;
  throw new TaskError('EXECUTION_RESULT_ERROR', why);
};
