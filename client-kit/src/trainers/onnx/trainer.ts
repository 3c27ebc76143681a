import type { Manifest } from '../../../../core/tensors/manifest.ts';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import { countOf } from '../../dataset.ts';
import type { Dataset } from '../../dataset.ts';
import { TaskError } from '../../task-error.ts';
import { checkDataset, contractOf } from './contract.ts';
import { evaluate } from './evaluate.ts';
import type { MetricCounter } from './metrics.ts';
import { loadOrt } from './ort.ts';
import type { OrtSource } from './ort.ts';
import { Program } from './program.ts';
import type { Where } from './program.ts';
import { train } from './train.ts';
import type { Trained, TrainOptions } from './train.ts';

/** A program as the differentiator gives it, or as it was read from a file. */
export interface ProgramFile {
  readonly model: Uint8Array;
  readonly manifest: Manifest;
}

/** What the differentiator makes of a model, as far as training needs it. */
export interface TrainerParts {
  readonly train: ProgramFile;
  readonly evaluate?: ProgramFile;
  /** The weights to begin with. */
  readonly parameters: Tensors;
}

type Again = 'state' | 'stepsBefore';

/**
 * Trains one model on this device, with no server: holds its programs, its weights, and what the optimizer remembers.
 * One call at a time.
 */
export class Trainer {
  /** The model as it is now. */
  params: Tensors;
  /** The optimizer's state as it is now. */
  state: Tensors = new Map();
  /** Optimizer steps taken. */
  steps = 0;
  readonly #train: Program;
  readonly #evaluate: Program | undefined;

  private constructor(params: Tensors, train: Program, evaluate: Program | undefined) {
    this.params = params;
    this.#train = train;
    this.#evaluate = evaluate;
  }

  /** Loads the programs. Throws TaskError where this device can't run them ({@link Program.load}). */
  static async load(source: OrtSource, parts: TrainerParts, where: Where = {}): Promise<Trainer> {
    const ort = await loadOrt(source);
    const { train: step, evaluate: judge, parameters } = parts;
    const program = await Program.load(ort, step.model, step.manifest, where);
    const same = { ...where, device: program.device };
    const judging = judge && (await Program.load(ort, judge.model, judge.manifest, same));
    return new Trainer(parameters, program, judging);
  }

  /** Where the train program runs. */
  get device(): 'wasm' | 'webgpu' {
    return this.#train.device;
  }

  /**
   * Trains on from where it stands. Rejects with the signal's reason between steps, or with TaskError BAD_TASK_DATA where
   * the data don't fit; the model is then as it was before the call.
   */
  async train(options: Omit<TrainOptions, Again>): Promise<Trained> {
    checkDataset(options.dataset, contractOf(this.#train.manifest));
    const { state, steps: stepsBefore } = this;
    const trained = await train(this.#train, this.params, { ...options, state, stepsBefore });
    this.params = trained.params;
    this.state = trained.state;
    this.steps += trained.steps;
    return trained;
  }

  /** Loss and accuracy of the model as it is, on these examples (all of the data set if absent). */
  evaluate(dataset: Dataset, examples?: Uint32Array, signal?: AbortSignal): Promise<MetricCounter> {
    if (!this.#evaluate) throw new TaskError('TASK_UNSUPPORTED', 'no evaluate program was given');
    checkDataset(dataset, contractOf(this.#evaluate.manifest));
    const all = examples ?? Uint32Array.from({ length: countOf(dataset) }, (_, i) => i);
    return evaluate(this.#evaluate, this.params, dataset, all, signal);
  }

  /** Frees what ONNX Runtime holds. The model stays. */
  async release(): Promise<void> {
    await this.#train.release();
    await this.#evaluate?.release();
  }
}
