import type { InputSpec } from '../../tensors/manifest.ts';
import type { Emitter } from '../emitter.ts';
import type { Graph, Value } from '../graph.ts';

/** A sum over the batch: the graph output that shall hold it, and the graph value that does, a float32 scalar. */
export interface Sum {
  readonly output: string;
  readonly value: string;
}

/** A figure that adds up over batches and sites: its sum divided by its count, once, by whoever adds last. */
export interface Metric {
  readonly name: string;
  readonly sum: Sum;
  /** What was summed over: labelled pixels, say, or class weights. Left out where it is the examples. */
  readonly count?: Sum;
}

/** What a loss adds to a graph. */
export interface LossNodes {
  /** The inputs that hold the truth, as they were declared. */
  readonly labels: readonly Value[];
  /** `loss` first; `accuracy` where the loss is one of classification. */
  readonly metrics: readonly Metric[];
  /** The batch size. */
  readonly examples: Sum;
  /** d loss / d value, for each judged value. Emitted last, and pruned where nobody reads them. */
  readonly seeds: ReadonlyMap<string, string>;
}

/** A loss with its options bound. */
export interface Loss {
  /** The values of the model that it is a function of. Gradients start from them. */
  readonly judges: (graph: Graph) => readonly string[];
  /** Appends itself to the graph. Refuses values that it can't judge. */
  readonly append: (g: Emitter, judged: readonly string[], graph: Graph) => LossNodes;
}

/**
 * What the gradient is of: the loss's mean (as PyTorch defines it for that loss), or its sum over the batch. Metrics are
 * the same for both.
 */
export type Reduction = 'mean' | 'sum';

/** Options of every loss that has a name. */
export interface CommonOptions {
  /** Default `mean`. */
  readonly reduction?: Reduction;
  /** The model's output to judge. Default: its first. */
  readonly output?: string;
}

/** An InputSpec (manifest) of a graph value. */
export const specOf = ({ name, dtype, shape }: Value): InputSpec => ({ input: name, dtype, shape });
