import jspiMjs from 'onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?url';
import jspi from 'onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url';
import wasmMjs from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import type { Ort } from '../../../client-kit/src/onnx.ts';

/** Threads to train with: half of what there is, so that the device stays usable; one where the page isn't isolated. */
export const threads = (): number =>
  crossOriginIsolated ? Math.max(1, Math.min(4, Math.floor(navigator.hardwareConcurrency / 2))) : 1;

interface Gpu {
  requestAdapter(): Promise<object | null>;
}

/**
 * Whether WebGPU can be used: there is an adapter, and WebAssembly can wait for it (JSPI). ONNX Runtime's other build with
 * WebGPU is larger than Cloudflare takes an asset to be.
 */
export const hasGpu = async (): Promise<boolean> => {
  const { gpu } = navigator as { readonly gpu?: Gpu };
  if (!gpu || !('Suspending' in WebAssembly)) return false;
  return (await gpu.requestAdapter().catch(() => null)) !== null;
};

/** ONNX Runtime from this server: with WebGPU where it can be used, else the smaller build without. */
export const loadRuntime = async (): Promise<Ort> => {
  const gpu = await hasGpu();
  const ort = gpu ? await import('onnxruntime-web/jspi') : await import('onnxruntime-web/wasm');
  ort.env.wasm.wasmPaths = gpu ? { mjs: jspiMjs, wasm: jspi } : { mjs: wasmMjs, wasm };
  ort.env.wasm.numThreads = threads();
  return ort;
};
