import { countOf } from '../../client-kit/src/dataset.ts';
import type { Dataset } from '../../client-kit/src/dataset.ts';
import { rngOf } from '../../client-kit/src/seed.ts';
import type { MetricCounter } from '../../client-kit/src/trainers/onnx/metrics.ts';
import type { Schedule } from '../../client-kit/src/trainers/onnx/schedule.ts';
import { splitOf } from '../../client-kit/src/trainers/onnx/split.ts';
import type { Trainer } from '../../client-kit/src/trainers/onnx/trainer.ts';

/** Means over examples, by the metric's name. */
export type Means = Readonly<Record<string, number>>;

/** What a pass over the examples came to. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  /** Steps taken when it ended. */
  readonly steps: number;
  /** Of each batch as it was seen, before its step. */
  readonly train: Means;
  /** Of the model as it then was, on the examples held out; absent where there are none. */
  readonly validation?: Means;
}

export interface Progress {
  readonly epoch: number;
  readonly epochs: number;
  /** Within the epoch. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
}

export interface LocalTraining {
  readonly trainer: Trainer;
  readonly dataset: Dataset;
  /** Held out, in place of a fraction of `dataset`. */
  readonly validation?: Dataset | undefined;
  readonly validationFraction: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** Of the step among all steps. */
  readonly lr: Schedule;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onStep: (progress: Progress) => void;
  readonly onEpoch: (epoch: Epoch) => void;
}

export interface History {
  readonly epochs: readonly Epoch[];
  /** Number of the step (from 1) and its loss. */
  readonly losses: readonly (readonly [number, number])[];
  /** Examples trained on, and held out. */
  readonly examples: { readonly train: number; readonly validation: number };
}

const meansOf = (counter: MetricCounter): Means =>
  Object.fromEntries(
    Object.keys(counter.sums).map((name) => [name, counter.mean(name) ?? NaN] as const),
  );

/** Trains for some epochs and validates after each. The same seed gives the same model, on one thread. */
export const trainLocally = async (training: LocalTraining): Promise<History> => {
  const { trainer, dataset, batchSize, seed, signal } = training;
  const part = { seed, site: '', workflow: '', round: 0 };
  const fraction = training.validation ? 0 : training.validationFraction;
  const split = splitOf(countOf(dataset), fraction, await rngOf({ ...part, purpose: 'split' }));
  const held = training.validation
    ? { dataset: training.validation, count: countOf(training.validation) }
    : { dataset, examples: split.validation, count: split.validation.length };
  const perEpoch = Math.ceil(split.train.length / batchSize);
  const all = training.epochs * perEpoch;
  const epochs: Epoch[] = [];
  const losses: (readonly [number, number])[] = [];
  for (let epoch = 1; epoch <= training.epochs; epoch++) {
    const before = trainer.steps;
    const { metrics } = await trainer.train({
      dataset,
      examples: split.train,
      batchSize,
      lr: (step) => training.lr(before + step, all),
      seed,
      rng: await rngOf({ ...part, round: epoch, purpose: 'shuffle' }),
      signal,
      onStep: (step, steps, loss) => {
        losses.push([before + step, loss]);
        training.onStep({ epoch, epochs: training.epochs, step, steps, loss });
      },
    });
    const verdict =
      held.count > 0 ? await trainer.evaluate(held.dataset, held.examples, signal) : undefined;
    const done: Epoch = {
      epoch,
      steps: trainer.steps,
      train: meansOf(metrics),
      ...(verdict && { validation: meansOf(verdict) }),
    };
    epochs.push(done);
    training.onEpoch(done);
  }
  return { epochs, losses, examples: { train: split.train.length, validation: held.count } };
};
