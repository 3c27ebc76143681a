import type { Emitter } from '../emitter.ts';
import type { NodeView } from '../node-view.ts';

/**
 * Where the program will run. `wasm`: ONNX Runtime's CPU kernels, in WebAssembly or native. `portable`: operators that
 * WebGPU runs too (it has no MaxPool with indices), in float arithmetic.
 */
export type Target = 'wasm' | 'portable';

/** Writes an abstract node in operators that the target runs; answers the name of its result. */
export type Lowering = (n: NodeView, g: Emitter) => string;
