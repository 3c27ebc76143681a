import { ONNX_DEFAULTS } from '../../../core/protocol/executors.ts';
import type { OnnxArgs } from '../../../core/protocol/executors.ts';
import { matchesAny } from '../../../core/protocol/glob.ts';
import type { JobSpec } from '../../../core/protocol/job.ts';
import { decode, encodeParts } from '../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import { countOf } from '../dataset.ts';
import type { Dataset } from '../dataset.ts';
import type {
  Assignment,
  Execution,
  TaskExecutor,
  ExecutorKind,
  Resources,
} from '../assignment.ts';
import type { FLModel } from '../fl-model.ts';
import { TaskError } from '../task-error.ts';
import { checkDataset, contractOf } from '../trainers/onnx/contract.ts';
import { evaluate } from '../trainers/onnx/evaluate.ts';
import type { MetricCounter } from '../trainers/onnx/metrics.ts';
import { loadOrt } from '../trainers/onnx/ort.ts';
import type { OrtSource } from '../trainers/onnx/ort.ts';
import { OwnModels } from '../trainers/onnx/own-models.ts';
import { Program } from '../trainers/onnx/program.ts';
import { splitOf } from '../trainers/onnx/split.ts';
import type { Split } from '../trainers/onnx/split.ts';
import { train } from '../trainers/onnx/train.ts';

const OPTIMIZER = 'optimizer';
/** Whose state it is: the next workflow of the job begins with its own. */
const WORKFLOW = 'workflow';
/** A progress event at most this often. */
const REPORT_MS = 100;

export interface OnnxOptions {
  readonly ort: OrtSource;
  /** ONNX Runtime's execution providers, like `['webgpu']`, whatever device a job wants. */
  readonly executionProviders?: readonly string[] | undefined;
}

/** `onnx`: trains, evaluates and hands in models with the job's ONNX programs on the site's data. */
export const onnx = (options: OnnxOptions): ExecutorKind => ({
  exclusive: true,
  make: (args, resources) => new OnnxExecutor({ ...ONNX_DEFAULTS, ...args }, resources, options),
});

interface Examples {
  readonly dataset: Dataset;
  readonly split: Split;
}

class OnnxExecutor implements TaskExecutor {
  readonly #args: OnnxArgs;
  readonly #resources: Resources;
  readonly #options: OnnxOptions;
  readonly #own: OwnModels;
  readonly #programs = new Map<string, Program>();
  #examples: Examples | undefined;

  constructor(args: OnnxArgs, resources: Resources, options: OnnxOptions) {
    this.#args = args;
    this.#resources = resources;
    this.#options = options;
    this.#own = new OwnModels(resources.store);
  }

  execute(assignment: Assignment): Promise<Execution> {
    const { name } = assignment.task;
    if (name === 'train') return this.#train(assignment);
    if (name === 'validate') return this.#validate(assignment);
    if (name === 'submit_model') return this.#submit(assignment);
    throw new TaskError('TASK_UNSUPPORTED', `onnx does not do '${name}'`);
  }

  async dispose(): Promise<void> {
    for (const program of this.#programs.values()) await program.release();
    this.#programs.clear();
  }

  async #train(assignment: Assignment): Promise<Execution> {
    const { task, signal, rng, report, log } = assignment;
    const args = this.#args;
    const received = paramsOf(assignment);
    const program = await this.#need(assignment, 'train');
    const { dataset, split } = await this.#data(assignment, program);
    if (split.train.length === 0) throw new TaskError('EMPTY_RESULT', 'this site has no examples');
    const before = await this.#evaluate(assignment, received, 'received');
    let reported = -Infinity;
    const trained = await train(program, received, {
      ...args,
      dataset,
      examples: split.train,
      rng: await rng('shuffle'),
      seed: Math.floor((await rng('masks'))() * 2 ** 31),
      state: args.optimizerState === 'keep' ? await this.#state(task.workflow) : undefined,
      signal,
      onStep: (step, steps, loss) => {
        if (step < steps && performance.now() - reported < REPORT_MS) return;
        reported = performance.now();
        report({ type: 'step', step, steps, loss });
      },
    });
    const after = await this.#evaluate(assignment, trained.params, 'local');
    await this.#own.keep(task.workflow, trained.params, after);
    const step = task.round;
    const loss = trained.metrics.mean('loss');
    if (loss !== undefined) log('train_loss', loss, { step });
    for (const name of Object.keys(after?.sums ?? {})) {
      log(`local_${name}`, after?.mean(name) ?? 0, { step });
    }
    const model: FLModel = {
      params: trained.params,
      ...(before && { metrics: before.sums }),
      currentRound: task.round,
      meta: {
        NUM_STEPS_CURRENT_ROUND: trained.steps,
        NUM_EXAMPLES_CURRENT_ROUND: split.train.length,
      },
    };
    const keeps = args.optimizerState === 'keep' && trained.state.size > 0;
    const state = keeps && encodeParts(trained.state, new Map([[WORKFLOW, task.workflow]]));
    return {
      model,
      transferType: args.transferType,
      ...(state && { kept: new Map([[OPTIMIZER, state as Uint8Array<ArrayBuffer>[]]]) }),
    };
  }

  async #validate(assignment: Assignment): Promise<Execution> {
    const received = paramsOf(assignment);
    await this.#need(assignment, 'evaluate');
    const counter = await this.#evaluate(assignment, received, 'received');
    if (!counter) throw new TaskError('EMPTY_RESULT', 'this site has no examples to validate on');
    return { model: { metrics: counter.sums } };
  }

  /** The task's own wish (`data.name`) comes before the executor's, which speaks where the task doesn't. */
  async #submit({ task }: Assignment): Promise<Execution> {
    const { name } = task.data;
    const which = name === 'best' || name === 'last' ? name : this.#args.which;
    const params = await this.#own.get(which);
    if (!params) throw new TaskError('EMPTY_RESULT', 'this site has not trained in this job');
    return { model: { params, paramsType: 'FULL' } };
  }

  /** On the validation split; undefined where there is none, or the job has no `evaluate` program. */
  async #evaluate(
    assignment: Assignment,
    model: Tensors,
    which: 'received' | 'local',
  ): Promise<MetricCounter | undefined> {
    const program = await this.#program(assignment, 'evaluate');
    if (!program) return undefined;
    const { dataset, split } = await this.#data(assignment, program);
    if (split.validation.length === 0) return undefined;
    const { signal, report } = assignment;
    const counter = await evaluate(program, model, dataset, split.validation, signal);
    const { sums: metrics, examples } = counter;
    report({ type: 'evaluated', model: which, metrics, examples });
    return counter;
  }

  /**
   * The site's data, checked and split once a job: the same examples are held out in every round and workflow, and by
   * every executor, or one would validate on what another trains on.
   */
  async #data({ spec, rng }: Assignment, { manifest }: Program): Promise<Examples> {
    if (this.#examples) return this.#examples;
    const dataset = await this.#resources.data();
    checkDataset(dataset, spec.data ?? contractOf(manifest));
    const split = splitOf(countOf(dataset), this.#heldOut(spec), await rng('split', 'job'));
    this.#examples = { dataset, split };
    return this.#examples;
  }

  /** The fraction that the job's training at this site holds out; this executor's own where the job doesn't train here. */
  #heldOut({ executors }: JobSpec): number {
    const { site } = this.#resources;
    const training = executors.find(
      ({ tasks, sites }) => matchesAny(tasks, 'train') && matchesAny(sites, site),
    );
    if (training?.use !== 'onnx') return this.#args.validationFraction;
    const { validationFraction }: OnnxArgs = { ...ONNX_DEFAULTS, ...training.args };
    return validationFraction;
  }

  async #need(assignment: Assignment, name: string): Promise<Program> {
    const program = await this.#program(assignment, name);
    if (!program) throw new TaskError('TASK_UNSUPPORTED', `the job has no '${name}' program`);
    return program;
  }

  async #program({ spec, signal }: Assignment, name: string): Promise<Program | undefined> {
    const loaded = this.#programs.get(name);
    const wanted = spec.programs[name];
    if (loaded || !wanted) return loaded;
    const bytes = await this.#resources.blob(wanted.blob, signal);
    const { executionProviders } = this.#options;
    const where = executionProviders ? { executionProviders } : { device: this.#args.device };
    const ort = await loadOrt(this.#options.ort);
    const program = await Program.load(ort, bytes, wanted.manifest, where);
    this.#programs.set(name, program);
    return program;
  }

  async #state(workflow: string): Promise<Tensors | undefined> {
    const blob = await this.#resources.store.read(OPTIMIZER);
    const decoded = blob && decode(new Uint8Array(await blob.arrayBuffer()));
    if (!decoded?.ok || decoded.value.metadata.get(WORKFLOW) !== workflow) return undefined;
    return decoded.value.tensors;
  }
}

const paramsOf = ({ params }: Assignment): Tensors => {
  if (!params) throw new TaskError('BAD_TASK_DATA', 'the task brings no model');
  return params;
};
