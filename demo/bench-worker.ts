// A thread that judges models and trains the ones to compare with, so that the demo can draw meanwhile.
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-web';
import type { Examples } from '../cli/src/data/dataset.ts';
import { Program } from '../client-kit/src/trainers/onnx/program.ts';
import { splitOf } from '../client-kit/src/trainers/onnx/split.ts';
import { train } from '../client-kit/src/trainers/onnx/train.ts';
import type { Programs } from '../core/onnx/index.ts';
import type { Tensors } from '../core/tensors/tensor.ts';
import { Judge } from './judge.ts';
import type { Verdict } from './judge.ts';
import { randomOf } from './random.ts';

/** What the thread is started with. */
export interface BenchData {
  readonly programs: Programs;
  readonly heldOut: Examples;
}

/** How a model is trained that is to be compared: like the sites' executor does it, in one place. */
export interface Training {
  readonly name: string;
  readonly examples: Examples;
  readonly steps: number;
  readonly batchSize: number;
  readonly lr: number;
  /** Share of the examples left out, as the sites leave it out for validation. */
  readonly validationFraction: number;
  readonly seed: number;
}

/** One thing to do. */
export type BenchTask =
  | { readonly id: number; readonly kind: 'judge'; readonly model: Tensors }
  | { readonly id: number; readonly kind: 'train'; readonly training: Training };

export type BenchAnswer =
  | { readonly id: number; readonly verdict: Verdict }
  | { readonly id: number; readonly step: number; readonly steps: number }
  | { readonly id: number; readonly error: string };

const { programs, heldOut } = workerData as BenchData;
const judge = await Judge.of(programs.evaluate, heldOut);
let trainer: Program | undefined;

const trained = async (id: number, training: Training): Promise<Tensors> => {
  const { name, examples, steps, batchSize, lr, validationFraction, seed } = training;
  trainer ??= await Program.load(ort, programs.train.model, programs.train.manifest);
  const split = splitOf(examples.y.length, validationFraction, randomOf(seed, `split ${name}`));
  const { params } = await train(trainer, programs.parameters, {
    dataset: examples,
    examples: split.train,
    batchSize,
    lr,
    steps,
    rng: randomOf(seed, `order ${name}`),
    onStep: (step) => {
      if (step % 20 === 0 || step === steps) answer({ id, step, steps });
    },
  });
  return params;
};

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
const answer = (message: BenchAnswer): void => parentPort?.postMessage(message);

parentPort?.on('message', (task: BenchTask) => {
  void (async () => {
    try {
      const model = task.kind === 'judge' ? task.model : await trained(task.id, task.training);
      answer({ id: task.id, verdict: await judge.judge(model) });
    } catch (error) {
      answer({ id: task.id, error: String(error) });
    }
  })();
});
