import type { ExecutorKind } from '../executor.ts';
import type { OrtSource } from '../trainers/onnx/ort.ts';
export declare const onnx: (ort: OrtSource) => ExecutorKind;
