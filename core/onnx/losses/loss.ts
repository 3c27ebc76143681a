import type { InputSpec } from '../../tensors/manifest.ts';
import type { Emitter } from '../emitter.ts';
import type { Value } from '../graph.ts';

/** What a loss adds to a graph. Names are graph values; the scalars are float32. */
export interface LossNodes {
  /** The input that holds the truth. */
  readonly y: Value;
  /** Summed over the batch, so that sums over batches and sites add up. */
  readonly sum: string;
  readonly correct: string;
  /** The batch size. */
  readonly examples: string;
  /** d (mean loss over the batch) / d outputs. Emitted last, and pruned where nobody reads it. */
  readonly seed: string;
}

/** Appends the loss of the model's output `outputs` to the graph. Refuses an output that it can't judge. */
export type Loss = (g: Emitter, outputs: string, y: string) => LossNodes;

export type LossName = 'softmax-cross-entropy';

/** An InputSpec (manifest) of a graph value. */
export const specOf = ({ name, dtype, shape }: Value): InputSpec => ({ input: name, dtype, shape });
