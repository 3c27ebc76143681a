import type { ExecutorKind } from '../assignment.ts';
import { add } from './add.ts';
import { app } from './app.ts';
import type { App } from './app.ts';
import { onnx } from './onnx.ts';
import type { OrtSource } from '../trainers/onnx/ort.ts';

/** What a site must bring for the kit's executors. */
export interface ExecutorParts {
  /**
   * ONNX Runtime: the module `onnxruntime-web` (or its `/wasm` or `/webgpu`), or a function that loads it. Without it,
   * jobs that use `onnx` are answered with TASK_UNKNOWN.
   */
  readonly ort?: OrtSource | undefined;
  /** ONNX Runtime's execution providers, like `['webgpu']`, whatever `device` a job wants. */
  readonly executionProviders?: readonly string[] | undefined;
  /** The site's own code, for jobs that use `app`: a function, or what `executor`, `modelLearner` or `inWorker` give. */
  readonly app?: App | ExecutorKind | undefined;
}

/** The kit's executors by the names that jobs use (core/protocol/executors.ts): one line each. */
export const kitExecutors = ({
  ort,
  executionProviders,
  app: code,
}: ExecutorParts): Readonly<Record<string, ExecutorKind>> => ({
  add,
  ...(code && { app: typeof code === 'function' ? app(code) : code }),
  ...(ort && { onnx: onnx({ ort, executionProviders }) }),
});
