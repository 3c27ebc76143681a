/** The differentiator: a forward ONNX model becomes programs that an inference-only ONNX Runtime trains with. */
export { readModel } from './codec.ts';
export { differentiate } from './differentiate.ts';
export type { DifferentiateOptions, Programs } from './differentiate.ts';
export { describeFault } from './fault.ts';
export type { BlockedOperator, DifferentiateFault } from './fault.ts';
export { forward } from './forward.ts';
export type { ForwardFault, ForwardOptions } from './forward.ts';
export type { Graph } from './graph.ts';
export type { LoraOptions } from './lora/adapter.ts';
export type { LossName, LossOptions } from './losses/registry.ts';
export type { Target } from './lowering/rule.ts';
export { cnn } from './models/cnn.ts';
export type { CnnOptions } from './models/cnn.ts';
export { mlp } from './models/mlp.ts';
export type { MlpOptions } from './models/mlp.ts';
export type { OptimizerOptions } from './optimizers/registry.ts';
export type { Program } from './program.ts';
export type { RoleOptions } from './roles.ts';
