import type { Kernel } from '../../core/aggregators/kernel.ts';
import { wasmKernel } from '../../core/aggregators/wasm-kernel.ts';
import module from '../../core/aggregators/kernel.wasm';

/** The one kernel of this isolate: its calls are synchronous, so all objects share its 10 MiB. */
export const kernel: Kernel = wasmKernel(module);
