import type { Tensors } from '../../../../core/tensors/tensor.ts';
import type { Dataset } from '../../dataset.ts';
import { Batches } from './batches.ts';
import { breathe } from './breathe.ts';
import { MetricCounter } from './metrics.ts';
import type { Program } from './program.ts';

/** Examples in one run: a fixed number, because a float sum depends on how it is cut. */
const BATCH = 256;

/** What a model makes of some examples, as an `evaluate` program counts it. */
export const evaluate = async (
  program: Program,
  model: Tensors,
  dataset: Dataset,
  examples: Uint32Array,
  signal?: AbortSignal,
): Promise<MetricCounter> => {
  const counter = new MetricCounter(program.manifest);
  const parameters = program.parameters(model);
  const batches = new Batches(program, dataset, Math.min(BATCH, examples.length));
  for (let at = 0; at < examples.length; at += BATCH) {
    await breathe();
    signal?.throwIfAborted();
    const batch = examples.subarray(at, at + BATCH);
    counter.add(await program.run({ ...parameters, ...batches.feeds(batch) }), batch.length);
  }
  return counter;
};
