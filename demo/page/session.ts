import { fitted } from '../../cli/src/data/fit.ts';
import { parseCsv } from '../../cli/src/data/csv.ts';
import { isNpz, parseNpz } from '../../cli/src/data/npz.ts';
import {
  differentiate,
  describeFault,
  forward,
  looped,
} from '../../client-kit/src/differentiate.ts';
import type { DifferentiateOptions, Programs } from '../../client-kit/src/differentiate.ts';
import { bestDevice, rngOf, splitOf, stepsPerRun, Trainer } from '../../client-kit/src/onnx.ts';
import type { Dataset, Device, Ort } from '../../client-kit/src/onnx.ts';

/** What the form says. */
export interface Choices {
  readonly loss: string;
  readonly optimizer: string;
  readonly lr: number;
  readonly batchSize: number;
  readonly epochs: number;
  readonly device: Device;
}

export interface Outcome {
  readonly device: 'wasm' | 'webgpu';
  readonly steps: number;
  /** On the tenth of the examples that was held out. */
  readonly loss: number | undefined;
  readonly accuracy: number | undefined;
  /** An ordinary ONNX model with the trained weights inside. */
  readonly model: Uint8Array<ArrayBuffer>;
}

/** Programs for a model, or an error that says why it can't be trained. */
export const programsFor = async (
  model: Uint8Array,
  { loss, optimizer, device }: Pick<Choices, 'loss' | 'optimizer' | 'device'>,
): Promise<Programs> => {
  const target = device === 'auto' ? await bestDevice() : device;
  const made = differentiate(model, {
    // The form offers the differentiator's own names.
    loss: loss as Extract<DifferentiateOptions['loss'], string>,
    optimizer: { name: optimizer as DifferentiateOptions['optimizer']['name'] },
    target,
  });
  if (!made.ok) throw new Error(describeFault(made.error));
  return made.value;
};

/** A file of examples as the programs take it. */
export const datasetOf = (name: string, bytes: Uint8Array, { train }: Programs): Dataset => {
  const numbers = train.manifest.inputs.y?.dtype === 'F32';
  const examples = isNpz(bytes)
    ? parseNpz(name, bytes, { numbers })
    : parseCsv(name, new TextDecoder().decode(bytes), { numbers });
  return fitted(name, { ...examples, format: '' }, train.manifest);
};

/** Trains on nine tenths of the examples and measures on the rest. */
export const trainHere = async (
  ort: Ort,
  programs: Programs,
  dataset: Dataset,
  choices: Choices,
  signal: AbortSignal,
  onStep: (step: number, steps: number, loss: number) => void,
): Promise<Outcome> => {
  const seed = { seed: 0, site: '', workflow: '', round: 0, purpose: 'split' };
  const split = splitOf(dataset.x.shape[0] ?? 0, 0.1, await rngOf(seed));
  const several =
    choices.device === 'wasm' &&
    stepsPerRun(programs.train.manifest, dataset, choices.batchSize) > 1;
  const loop = several ? looped(programs.train) : undefined;
  const parts = { ...programs, train: loop?.ok ? loop.value : programs.train };
  const trainer = await Trainer.load(ort, parts, { device: choices.device });
  try {
    await trainer.train({ ...choices, dataset, examples: split.train, signal, onStep });
    const held = await trainer.evaluate(dataset, split.validation, signal);
    const model = forward(programs.predict, trainer.params);
    if (!model.ok) throw new Error(JSON.stringify(model.error));
    return {
      device: trainer.device,
      steps: trainer.steps,
      loss: held.mean('loss'),
      accuracy: held.mean('accuracy'),
      model: new Uint8Array(model.value),
    };
  } finally {
    await trainer.release();
  }
};
