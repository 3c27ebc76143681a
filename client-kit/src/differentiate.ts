/**
 * The differentiator: a forward ONNX model becomes programs, plain ONNX, that train it on any ONNX Runtime. For whoever
 * brings a model of their own; it needs no server, and nothing else of the kit.
 */
export { describeFault, differentiate, forward, looped } from '../../core/onnx/index.ts';
export type {
  BlockedOperator,
  DifferentiateFault,
  DifferentiateOptions,
  ForwardFault,
  LossName,
  LossOptions,
  OptimizerOptions,
  Program,
  Programs,
  Target,
} from '../../core/onnx/index.ts';
export type { Manifest } from '../../core/tensors/manifest.ts';
export type { Result } from '../../core/tensors/result.ts';
export type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
