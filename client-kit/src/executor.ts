/**
 * FLARE's Executor and what it speaks: Shareable, DXO, FLContext, components and events. For any computation, machine
 * learning or not.
 */
export { FLComponent } from './executor/component.ts';
export { components, Engine } from './executor/engine.ts';
export type { Components, MakeComponents } from './executor/engine.ts';
export { Executor, executor } from './executor/executor.ts';
export type { ExecutorParts } from './executor/executor.ts';
export { FedEventHeader } from './executor/fed-events.ts';
export { fromShareable, toShareable } from './executor/fl-model-form.ts';
export type { FLModel } from './fl-model.ts';
export { TaskError } from './task-error.ts';
export { DATA_KINDS } from '../../core/protocol/data-kind.ts';
export type { DataKind } from '../../core/protocol/data-kind.ts';
export { DXO, MetaKey } from '../../core/protocol/dxo.ts';
export type { DataOf } from '../../core/protocol/dxo.ts';
export { AppEventType, EventType } from '../../core/protocol/event-type.ts';
export { FLContext, FLContextKey } from '../../core/protocol/fl-context.ts';
export type { Visibility } from '../../core/protocol/fl-context.ts';
export { RETURN_CODES } from '../../core/protocol/return-code.ts';
export type { ReturnCode } from '../../core/protocol/return-code.ts';
export { HeaderKey, makeCopy, makeReply, Shareable } from '../../core/protocol/shareable.ts';
