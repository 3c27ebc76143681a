/** FLARE's ModelLearner: for learning that fits into `train` and `validate`. */
export { ModelLearner } from './model-learner/model-learner.ts';
export { modelLearner } from './model-learner/model-learner-executor.ts';
export type { TaskNames } from './model-learner/model-learner-executor.ts';
export type { FLModel } from './fl-model.ts';
export { EventType } from '../../core/protocol/event-type.ts';
export type { ReturnCode } from '../../core/protocol/return-code.ts';
