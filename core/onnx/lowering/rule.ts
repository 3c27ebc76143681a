import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';

/**
 * Where a program will run. `wasm`: ONNX Runtime's CPU kernels in WebAssembly. `native`: the same kernels in machine
 * code. `webgpu`: operators that ONNX Runtime's WebGPU kernels compute, so that nothing goes back to the CPU; every
 * runtime runs it, in float arithmetic.
 */
export const TARGETS = ['wasm', 'webgpu', 'native'] as const;
export type Target = (typeof TARGETS)[number];

/** Writes a node in operators that the target runs; answers the name of its result. */
export type Lowering = (n: NodeView, g: Emitter) => string;
