import type { Manifest } from '../../../../core/tensors/manifest.ts';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import { countOf } from '../../dataset.ts';
import type { Dataset } from '../../dataset.ts';
import { rngOf, shuffle } from '../../seed.ts';
import type { Rng } from '../../seed.ts';
import { Batches, stepsPerRun } from './batches.ts';
import { breathe } from './breathe.ts';
import { MetricCounter } from './metrics.ts';
import type { OrtTensor } from './ort.ts';
import type { Feeds, Program } from './program.ts';
import { resident } from './resident.ts';
import { StepInputs } from './step-inputs.ts';
import type { StepOptions } from './step-inputs.ts';

export interface TrainOptions extends StepOptions {
  readonly dataset: Dataset;
  /** Indices of the examples to train on; all of them if absent. */
  readonly examples?: Uint32Array;
  readonly batchSize: number;
  /** Passes over the examples; the last, smaller batch of each counts too. */
  readonly epochs?: number;
  /** Optimizer steps, in place of epochs. */
  readonly steps?: number | undefined;
  /** Orders the examples, anew for each pass. Default: made of `seed`. */
  readonly rng?: Rng;
  /** Steps in one run, where the program is a loop. Default: {@link stepsPerRun}. */
  readonly stepsPerRun?: number | undefined;
  /** The optimizer's state from an earlier call; zeros without it. */
  readonly state?: Tensors | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each run, of one step or a loop's. `loss` is the mean over its batches. */
  readonly onStep?: ((step: number, steps: number, loss: number) => void) | undefined;
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

/** One run: these examples, from this step on. */
interface Run {
  readonly step: number;
  readonly examples: Uint32Array;
  /** Batches of equal size that the examples are; undefined where the program is no loop. */
  readonly batches: number | undefined;
}

/**
 * Trains a model with a `train` program. What a run gives is what the next one takes: parameters are never copied in
 * between, and on a GPU they stay there and are fetched once, at the end. The next batch is gathered while a run is under
 * way. Rejects with the signal's reason between runs. On WASM with one thread the same options give the same bytes.
 */
export const train = async (
  program: Program,
  model: Tensors,
  options: TrainOptions,
): Promise<Trained> => {
  const { dataset, signal, onStep } = options;
  const { manifest } = program;
  const rng = options.rng ?? (await rngOf(purposeOf(options.seed ?? 0)));
  const { steps, runs, capacity } = planOf(manifest, options, rng);
  const inputs = new StepInputs(program, steps, options);
  const batches = new Batches(program, dataset, capacity);
  const feedsOf = ({ step, examples, batches: some }: Run): Record<string, OrtTensor> => ({
    ...inputs.feeds(step, some),
    ...batches.feeds(examples, some),
  });
  const carried = [...manifest.parameters, ...manifest.state].filter(
    ({ output }) => output !== undefined,
  );
  const current: Record<string, OrtTensor> = {
    ...program.parameters(model),
    ...program.state(options.state),
    ...inputs.lasting(model),
  };
  if (program.device === 'webgpu') {
    const changing = new Set(carried.map(({ input }) => input));
    for (const [input, tensor] of Object.entries(current)) {
      if (!changing.has(input)) current[input] = await resident(program.ort, tensor);
    }
  }
  const metrics = new MetricCounter(manifest);
  try {
    let run = runs.next();
    let feeds = run.done ? {} : feedsOf(run.value);
    while (!run.done) {
      await breathe();
      signal?.throwIfAborted();
      const running = program.run({ ...current, ...feeds });
      const { examples, step, batches: some = 1 } = run.value;
      const count = examples.length;
      run = runs.next();
      if (!run.done) feeds = feedsOf(run.value);
      const outputs = await running;
      for (const { input, output } of carried) {
        const next = output === undefined ? undefined : outputs[output];
        if (next) replace(current, input, next);
      }
      const loss = metrics.add(outputs, count);
      onStep?.(step + some, steps, loss);
    }
    const changed = manifest.parameters.filter(({ output }) => output !== undefined);
    const params = new Map([...model, ...(await program.collect(changed, current))]);
    return { params, state: await program.collect(manifest.state, current), steps, metrics };
  } finally {
    free(current);
  }
};

const purposeOf = (seed: number) => ({
  seed,
  site: '',
  workflow: '',
  round: 0,
  purpose: 'shuffle',
});

/** Which examples each run takes. Batches of equal size go into one run of a loop; a smaller last one has its own. */
const planOf = (
  manifest: Manifest,
  { dataset, examples, batchSize, epochs = 1, steps: wanted, ...options }: TrainOptions,
  rng: Rng,
): { steps: number; runs: Generator<Run, void>; capacity: number } => {
  const order = examples?.slice() ?? Uint32Array.from({ length: countOf(dataset) }, (_, i) => i);
  const size = Math.min(batchSize, order.length);
  const perEpoch = size === 0 ? 0 : Math.ceil(order.length / size);
  const full = size === 0 ? 0 : Math.floor(order.length / size);
  const steps = perEpoch === 0 ? 0 : (wanted ?? epochs * perEpoch);
  const { loop = false } = manifest;
  const most = loop ? (options.stepsPerRun ?? stepsPerRun(manifest, dataset, size)) : 1;
  const runs = function* (): Generator<Run, void> {
    for (let step = 0; step < steps;) {
      const at = step % perEpoch;
      if (at === 0) shuffle(order, rng);
      const batches = Math.max(1, Math.min(most, full - at, steps - step));
      const these = order.subarray(at * size, (at + batches) * size);
      yield { step, examples: these, batches: loop ? batches : undefined };
      step += batches;
    }
  };
  return { steps, runs: runs(), capacity: most * size };
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
