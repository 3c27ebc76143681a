import type { Manifest } from '../../../../core/tensors/manifest.ts';
import { TaskError } from '../../task-error.ts';
import type { Ort } from './ort.ts';

/**
 * Where programs run. `wasm`: ONNX Runtime's CPU kernels (native ones in onnxruntime-node). `webgpu`: the GPU, or a fault
 * that says what is missing. `auto`: the GPU if it is a real one, ONNX Runtime can use it and the program was written for
 * it; else as `wasm`.
 */
export type Device = 'auto' | 'wasm' | 'webgpu';

/** A GPU adapter, as far as the choice depends on it. */
interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

const adapterHere = async (): Promise<Adapter | undefined> => {
  const { gpu } = (globalThis.navigator ?? {}) as {
    readonly gpu?: { requestAdapter(): Promise<Adapter | null> };
  };
  return (await gpu?.requestAdapter()) ?? undefined;
};

/**
 * The device that `auto` means here: the GPU if there is a real one; software ones (SwiftShader) are slower than WASM.
 * Ask before differentiating: a program is written for one or the other.
 */
export const bestDevice = async (): Promise<'wasm' | 'webgpu'> => {
  const adapter = await adapterHere();
  return adapter && adapter.info?.isFallbackAdapter !== true ? 'webgpu' : 'wasm';
};

/** Whether `auto` tries the GPU for a program. */
export const prefersGpu = async ({ target }: Manifest): Promise<boolean> =>
  target === 'webgpu' && (await bestDevice()) === 'webgpu';

const lacking = (what: string, options?: ErrorOptions): TaskError =>
  new TaskError('TASK_UNSUPPORTED', `no WebGPU here: ${what}`, [], options);

/**
 * Runs `create`, which makes a session on WebGPU. Throws TaskError TASK_UNSUPPORTED with the reason where there is no
 * adapter, where ONNX Runtime was built without WebGPU, and where it is the older WebGPU code of `onnxruntime-web`'s
 * default entry (and of `/all`): that one gives zeros for a Concat of many inputs without a word.
 */
export const onWebGpu = async <T>(ort: Ort, create: () => Promise<T>): Promise<T> => {
  const native = ort.env?.versions?.node !== undefined; // onnxruntime-node brings a GPU of its own
  if (!native && (await adapterHere()) === undefined) {
    throw lacking('navigator.gpu gives no adapter (a browser that has one; https or localhost)');
  }
  const session = await create().catch((cause: unknown) => {
    if (!String(cause).includes('backend not found')) throw cause;
    throw lacking('this build of ONNX Runtime has none; import onnxruntime-web/webgpu', { cause });
  });
  // The older code, when it starts, puts the adapter where nobody can change it.
  const adapter = Object.getOwnPropertyDescriptor(ort.env?.webgpu ?? {}, 'adapter');
  if (adapter?.writable === false) {
    throw lacking("this is ONNX Runtime's older code for it; import onnxruntime-web/webgpu");
  }
  return session;
};
