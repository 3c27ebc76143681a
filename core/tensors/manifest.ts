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
  /** Graph output that holds d loss / d parameter; `gradients` programs only. */
  readonly gradient?: string;
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

/**
 * A tensor of a parameter's shape that a program takes besides the parameter. `received`: the weights as the round began
 * (FedProx); `control`: the global less the site's control variate (SCAFFOLD); `noise`: added to the sum of clipped
 * gradients (DP-SGD).
 */
export interface TermSpec {
  readonly kind: 'received' | 'control' | 'noise';
  /** The parameter that it belongs to. */
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly input: string;
}

/** A low-rank change of a weight that the program holds itself: weight + scale * B A. */
export interface AdapterSpec {
  /** Name of the frozen weight. */
  readonly weight: string;
  /** Parameter of shape [rank, ...inputs of the weight]. */
  readonly a: string;
  /** Parameter of shape [outputs of the weight, rank, ...ones]. */
  readonly b: string;
  readonly scale: number;
  /** Whether the weight is stored with its inputs first, [in, out]. */
  readonly transposed: boolean;
  /** The graph value that stands in the weight's place, where a program computes it as a whole. */
  readonly changed?: string;
}

/** The inputs that a program takes per step. All but `x` are there only where the program reads them. */
export interface ProgramInputs {
  /** The batch of examples: the model's first input. */
  readonly x: InputSpec;
  /** The model's other inputs, in its order, then further labels. */
  readonly more?: readonly InputSpec[];
  /** The truth that the loss compares with; absent in `predict`. */
  readonly y?: InputSpec;
  /** Learning rate. */
  readonly lr?: InputSpec;
  /** What random masks are drawn from, together with `step`: the same two give the same masks on every target. */
  readonly seed?: InputSpec;
  /** Number of this step, from 1. */
  readonly step?: InputSpec;
  /** Weight of the proximal term (FedProx). */
  readonly mu?: InputSpec;
}

/** What the graph computes besides parameters. Sums, not means, so that they add up over batches and sites. */
export interface MetricSpec {
  readonly name: string;
  readonly output: string;
  /** `sum`: add over batches and divide once by the examples. `mean`: already a mean over the batch. */
  readonly kind: 'sum' | 'mean';
  /** `sum` only: graph output with what the sum is divided by instead of the examples (labelled pixels, class weights). */
  readonly count?: string;
}

/**
 * Describes a program (an ONNX graph) well enough to run it and to check a job that uses it without reading ONNX.
 * Written by `core/onnx`, checked by the server, executed by the kit.
 */
export interface Manifest {
  readonly version: 1;
  readonly kind: 'train' | 'evaluate' | 'predict' | 'gradients';
  /** The runtime that a train program is written for (a lowering of `core/onnx`). */
  readonly target?: 'wasm' | 'webgpu' | 'native';
  /**
   * One run takes as many steps as it is fed batches: each of `inputs`, and each metric, has one more dimension in front,
   * the steps.
   */
  readonly loop?: boolean;
  readonly parameters: readonly ParameterSpec[];
  readonly state: readonly StateSpec[];
  readonly inputs: ProgramInputs;
  /** Inputs that come once per parameter. */
  readonly terms?: readonly TermSpec[];
  readonly metrics: readonly MetricSpec[];
  /** Each example's gradient was cut to this norm first, and a `gradients` program gives their sum, not the mean. */
  readonly clip?: number;
  /** Weights that the program holds itself, and how the parameters change them (LoRA). */
  readonly adapters?: readonly AdapterSpec[];
  /** `predict` only: the graph's own output (logits or probabilities as exported). */
  readonly outputs?: readonly InputSpec[];
  readonly optimizer?: {
    readonly name: string;
    readonly [argument: string]: string | number | boolean;
  };
}
