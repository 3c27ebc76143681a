// The contestants that run in a page. The bench calls `setUp`, then `run`.
import { batchOf } from './batches.ts';
import type { Batch } from './batches.ts';
import { jaxStepper } from './jax.ts';
import type { Jax, JaxOnnx } from './jax.ts';
import type { ModelName } from './models.ts';
import { programsOf, stepper } from './ours.ts';
import { round } from './round.ts';
import type { Report, Step } from './round.ts';
import type { TensorFlow } from './tfjs.js';

type Make = (model: ModelName, batch: Batch, lr: number) => Promise<Step>;

const ours =
  (threads: number): Make =>
  async (model, batch, lr) => {
    const ort = await import('onnxruntime-web/wasm');
    ort.env.wasm.wasmPaths = '/ort/';
    ort.env.wasm.numThreads = threads;
    return await stepper(ort, programsOf(model, 'wasm'), batch, { lr });
  };

/** Without help from the CPU: a session with a node that the GPU doesn't run is refused. */
const onGpu =
  (target: 'webgpu' | 'wasm'): Make =>
  async (model, batch, lr) => {
    const ort = await import('onnxruntime-web/webgpu');
    ort.env.wasm.wasmPaths = '/ort/';
    ort.env.wasm.numThreads = 1;
    return await stepper(ort, programsOf(model, target), batch, {
      lr,
      options: {
        executionProviders: ['webgpu'],
        extra: { session: { disable_cpu_ep_fallback: '1' } },
      },
    });
  };

const jax =
  (device: 'wasm' | 'webgpu'): Make =>
  async (model, batch) => {
    const peer = (await import('@jax-js/jax')) as Jax;
    return await jaxStepper(peer, (await import('@jax-js/onnx')) as JaxOnnx, model, batch, device);
  };

const tensorFlow =
  (backend: 'wasm' | 'webgl' | 'cpu'): Make =>
  async (model, batch) => {
    const tf = (await import('@tensorflow/tfjs')) as TensorFlow;
    if (backend === 'wasm') {
      const wasm = (await import('@tensorflow/tfjs-backend-wasm')) as {
        setWasmPaths(folder: string): void;
        setThreadsCount(threads: number): void;
      };
      wasm.setWasmPaths('/tfjs/');
      wasm.setThreadsCount(1);
    }
    if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no ${backend} here`);
    const { tfjsStepper } = await import('./tfjs.js');
    return tfjsStepper(tf, model, batch);
  };

const CONTESTANTS = {
  'ours 1': ours(1),
  'ours 2': ours(2),
  'ours gpu': onGpu('webgpu'),
  'ours gpu, written for wasm': onGpu('wasm'),
  'jax wasm': jax('wasm'),
  'jax gpu': jax('webgpu'),
  'tfjs wasm': tensorFlow('wasm'),
  'tfjs webgl': tensorFlow('webgl'),
  'tfjs cpu': tensorFlow('cpu'),
} as const satisfies Record<string, Make>;
export type PageContestant = keyof typeof CONTESTANTS;

let step: Step | undefined;
Object.assign(globalThis, {
  setUp: async (who: PageContestant, model: ModelName, size: number, lr: number): Promise<void> => {
    step = await CONTESTANTS[who](model, batchOf(model, size), lr);
  },
  run: async (steps: number): Promise<Report> => {
    if (step === undefined) throw new Error('not set up');
    return await round(step, steps);
  },
});
