import type { Tensors } from '../../../../core/tensors/tensor.ts';
import type { Dataset } from '../../dataset.ts';
import { shuffle } from '../../seed.ts';
import type { Rng } from '../../seed.ts';
import { Batches } from './batches.ts';
import { breathe } from './breathe.ts';
import { MetricCounter } from './metrics.ts';
import { toOrt } from './ort.ts';
import type { OrtTensor } from './ort.ts';
import type { Feeds, Program } from './program.ts';

export interface TrainOptions {
  readonly dataset: Dataset;
  /** Indices of the examples to train on. */
  readonly examples: Uint32Array;
  readonly batchSize: number;
  readonly lr: number;
  /** Passes over the examples; the last, smaller batch of each counts too. */
  readonly epochs?: number;
  /** Optimizer steps, in place of epochs. */
  readonly steps?: number | undefined;
  /** Orders the examples, anew for each pass. */
  readonly rng: Rng;
  /** The optimizer's state from an earlier call; zeros without it. */
  readonly state?: Tensors | undefined;
  readonly signal?: AbortSignal;
  /** After each step. `loss` is the batch's mean. */
  readonly onStep?: (step: number, steps: number, loss: number) => void;
}

export interface Trained {
  /** The whole model: what the program changed, and the rest as it was. */
  readonly params: Tensors;
  readonly state: Tensors;
  /** Optimizer steps taken. */
  readonly steps: number;
  /** Of each batch as it was seen, before its step. */
  readonly metrics: MetricCounter;
}

/**
 * Trains a model with a `train` program. What a step gives is what the next one takes: parameters are never copied in
 * between, and on a GPU they stay there. Rejects with the signal's reason between steps.
 */
export const train = async (
  program: Program,
  model: Tensors,
  options: TrainOptions,
): Promise<Trained> => {
  const { dataset, examples, batchSize, epochs = 1, rng, signal, onStep } = options;
  const { manifest, ort } = program;
  const perEpoch = Math.ceil(examples.length / batchSize);
  const steps = examples.length === 0 ? 0 : (options.steps ?? epochs * perEpoch);
  const carried = [...manifest.parameters, ...manifest.state];
  const current: Record<string, OrtTensor> = {
    ...program.parameters(model),
    ...program.state(options.state),
  };
  const { lr } = manifest.inputs;
  const rate = lr ? { [lr.input]: toOrt(ort, 'F32', [], Float32Array.of(options.lr)) } : {};
  const metrics = new MetricCounter(manifest);
  const batches = new Batches(program, dataset, Math.min(batchSize, examples.length));
  const order = examples.slice();
  for (let step = 0; step < steps; step++) {
    await breathe();
    signal?.throwIfAborted();
    const at = (step % perEpoch) * batchSize;
    if (at === 0) shuffle(order, rng);
    const batch = order.subarray(at, at + batchSize);
    const outputs = await program.run({ ...current, ...rate, ...batches.feeds(batch) });
    for (const { input, output } of carried) {
      const next = output === undefined ? undefined : outputs[output];
      if (next) replace(current, input, next);
    }
    onStep?.(step + 1, steps, metrics.add(outputs, batch.length));
  }
  const params = new Map([
    ...model,
    ...(await program.collect(
      manifest.parameters.filter(({ output }) => output !== undefined),
      current,
    )),
  ]);
  const state = await program.collect(manifest.state, current);
  free(current);
  return { params, state, steps, metrics };
};

/** WebGPU buffers are not garbage collected. */
const replace = (feeds: Record<string, OrtTensor>, input: string, next: OrtTensor): void => {
  if (feeds[input]?.location === 'gpu-buffer') feeds[input].dispose();
  feeds[input] = next;
};

const free = (feeds: Feeds): void => {
  for (const tensor of Object.values(feeds)) {
    if (tensor.location === 'gpu-buffer') tensor.dispose();
  }
};
