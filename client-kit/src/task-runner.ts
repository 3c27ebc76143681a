import type { Traffic } from '../../core/filters/filter.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
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
import type { TaskContent, TaskFilters } from './filtering.ts';
import { encodePacked, packed } from './fl-model.ts';
import type { Run, Voice } from './run.ts';
import type { EncodedResult, Packed } from './fl-model.ts';
import type { Letter } from './outbox.ts';
import { convertParams } from './params.ts';
import { withinLimits } from './policy/within-limits.ts';
import type { Count } from './policy/within-limits.ts';
import { keyOf } from './secret.ts';
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

type ExecutorSpec = JobSpec['executors'][number];

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

  async run(given: Task, signal: AbortSignal): Promise<Answer> {
    const { policy, store } = this.#site;
    const { run, refusal } = this.#job;
    if (refusal) throw refusal;
    await policy?.admit?.(given, store);
    const { kind, executor } = this.#executorFor(given.name);
    const { received, quantization } = await this.#receive(given, signal);
    await run?.fire('_before_task_data_filter', { task: given, params: received });
    const { data, params } = await this.#incoming(given, received, quantization);
    const task = { ...given, data: data as Task['data'] };
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
    const filters = await this.#filters('result', task);
    const outgoing = this.#outgoing(task, execution, params, filters);
    const { model } = outgoing;
    await run?.fire('_after_task_result_filter', { execution: { ...execution, model } });
    const { kept } = execution;
    const result = encodePacked(outgoing);
    checkSize(result, task);
    const base = task.paramsType === 'ANY' && params === received && model.params && task.model;
    await policy?.release?.(sizeOf(result), store);
    return {
      result,
      filters: filters?.names ?? [],
      ...(base && { base }),
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

  #isFor(spec: Pick<ExecutorSpec, 'tasks' | 'sites'>, taskName: string): boolean {
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

  /** The task's model as it came, and how it is quantised. */
  async #receive(
    task: Task,
    signal: AbortSignal,
  ): Promise<{ received?: Tensors; quantization?: string | undefined }> {
    if (!task.model) return {};
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
    if (decoded.ok) {
      const { tensors: received, metadata } = decoded.value;
      return { received, quantization: metadata.get(QUANTIZATION_KEY) };
    }
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

  /** What the task brings, through the filters. */
  async #incoming(
    task: Task,
    params: Tensors | undefined,
    quantization: string | undefined,
  ): Promise<TaskContent> {
    const filters = await this.#filters('data', task);
    if (filters) return filters.data({ data: task.data, params }, quantization);
    if (quantization === undefined) return { data: task.data, params };
    throw new TaskError(
      'TASK_DATA_FILTER_ERROR',
      'the model is quantised, and no filter decodes it',
    );
  }

  /** What is sent: in the type that the task wants, through the filters. */
  #outgoing(
    task: Task,
    execution: Execution,
    received: Tensors | undefined,
    filters: TaskFilters | undefined,
  ): Packed {
    const { model: made, transferType = 'FULL' } = execution;
    let model = made;
    if (made.params) {
      const any = filters?.differ ? 'DIFF' : transferType;
      const paramsType = task.paramsType === 'ANY' ? any : task.paramsType;
      const params = convertParams(made.params, made.paramsType ?? 'FULL', paramsType, received);
      model = { ...made, paramsType, params };
    }
    const result = packed(model, this.#said(execution));
    return filters ? filters.result(result, received) : result;
  }

  /** The filters of a task, if there are any: whoever has none doesn't load them. */
  async #filters(on: Traffic, task: Task): Promise<TaskFilters | undefined> {
    const { spec, id } = this.#job;
    const { policy, secret } = this.#site;
    const ofJob = spec.filters.filter(
      (one) => one.at === 'site' && one.on === on && this.#isFor(one, task.name),
    );
    const own = policy?.filters?.(on, infoOf(task), spec) ?? [];
    if (ofJob.length + own.length === 0) return undefined;
    const purpose = [id, task.workflow, task.round, task.id, on];
    const key = await keyOf(await secret(), purpose);
    const { TaskFilters } = await import('./filtering.ts');
    return new TaskFilters({ on, ofJob, own, roles: this.#roles(), key });
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
