/**
 * Tributary's client kit: trains where the data is. `init` and its fellows are FLARE's Client API; `runSite` is a device
 * that serves whatever jobs want it.
 */
export { Client } from './client.ts';
export type { ClientOptions, ClientTask, SendStatus, TaskNames } from './client.ts';
export {
  clear,
  getConfig,
  getJobId,
  getSiteName,
  getTaskName,
  init,
  isEvaluate,
  isRunning,
  isSubmitModel,
  isTrain,
  log,
  receive,
  send,
  shutdown,
  systemInfo,
} from './client-api.ts';
export type { Dataset } from './dataset.ts';
export type { OnEvent, SiteEvent, TaskInfo } from './event.ts';
export type { Assignment, Execution, TaskExecutor, ExecutorKind, Resources } from './assignment.ts';
export type { App, AppTask } from './executors/app.ts';
export { checkedModel } from './fl-model.ts';
export type { FLModel } from './fl-model.ts';
export { ProblemError } from './problem-error.ts';
export type { ProblemDetails } from './problem-error.ts';
export type { ApprovalRequest, Approve } from './policy/approval.ts';
export type { Policy, ProposedJob } from './policy/policy.ts';
export type { OnSend, Sending } from './sending.ts';
export type { DataSource } from './site-context.ts';
export { runSite } from './site.ts';
export type { SiteOptions } from './site.ts';
export { MemoryStore } from './store.ts';
export type { Store } from './store.ts';
export { TaskError } from './task-error.ts';
export { decode, encode } from '../../core/tensors/safetensors.ts';
export type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
export type { Dtype, TensorData } from '../../core/tensors/dtype.ts';
