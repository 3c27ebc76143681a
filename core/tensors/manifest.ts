import type { Dtype } from './dtype.ts';

/** What happens to a tensor in training: learned, updated by the forward pass (BatchNorm statistics), or fixed. */
export type TensorRole = 'trainable' | 'buffer' | 'frozen';

/** A tensor that a program takes from the model. */
export interface ParameterSpec {
  /** Name in the model (safetensors) and on the wire: the exporter's original name. */
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly role: TensorRole;
  /** Graph input that receives it. */
  readonly input: string;
  /** Graph output that holds its new value; absent where the program doesn't change it. */
  readonly output?: string;
}

/** Optimizer state that a train program carries from step to step; starts as zeros. */
export interface StateSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly input: string;
  readonly output: string;
}

/** An input fed per step. A string dimension is symbolic: `batch` is the batch size. */
export interface InputSpec {
  readonly input: string;
  readonly dtype: Dtype;
  readonly shape: readonly (number | string)[];
}

/** What the graph computes besides parameters. Sums, not means, so that they add up over batches and sites. */
export interface MetricSpec {
  readonly name: string;
  readonly output: string;
  /** `sum`: add over batches and divide once by the examples. `mean`: already a mean over the batch. */
  readonly kind: 'sum' | 'mean';
}

/**
 * Describes a program (an ONNX graph) well enough to run it and to check a job that uses it without reading ONNX.
 * Written by `core/onnx`, checked by the server, executed by the kit.
 */
export interface Manifest {
  readonly version: 1;
  readonly kind: 'train' | 'evaluate' | 'predict';
  readonly parameters: readonly ParameterSpec[];
  readonly state: readonly StateSpec[];
  /** The batch of examples (`x`), labels (`y`; absent in `predict`) and scalars (`lr`, train only). */
  readonly inputs: { readonly x: InputSpec; readonly y?: InputSpec; readonly lr?: InputSpec };
  readonly metrics: readonly MetricSpec[];
  /** `predict` only: the graph's own output (logits or probabilities as exported). */
  readonly outputs?: readonly InputSpec[];
  readonly optimizer?: {
    readonly name: string;
    readonly [argument: string]: string | number | boolean;
  };
}
