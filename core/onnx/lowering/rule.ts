import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/**
 * Where a program will run. `wasm`: ONNX Runtime's CPU kernels in WebAssembly. `native`: the same kernels in machine
 * code. `webgpu`: operators that ONNX Runtime's WebGPU kernels compute, so that nothing goes back to the CPU; every
 * runtime runs it, in float arithmetic.
 */
export const TARGETS = ['wasm', 'webgpu', 'native'] as const;
export type Target = (typeof TARGETS)[number];

/** Writes an abstract node in operators that the target runs; answers the name of its result. */
export type Lowering = (n: NodeView, g: Emitter) => string;

/** The graph before it is lowered. */
export interface Origin {
  /** The node that makes a value, if it is an `opType` of ONNX and one node alone reads the value. */
  readonly only: (value: string, opType: string) => NodeProto | undefined;
}

/** Writes a node of ONNX in a form that the target runs faster; undefined where it is best as it stands. */
export type Rewrite = (n: NodeView, g: Emitter, origin: Origin) => string | undefined;
