/// <reference types="vite/client" />
// Trains with the kit what a test orders; with `?old`, on ONNX Runtime's older WebGPU code.
import asyncifyMjs from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import asyncify from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import jsepMjs from 'onnxruntime-web/ort-wasm-simd-threaded.jsep.mjs?url';
import jsep from 'onnxruntime-web/ort-wasm-simd-threaded.jsep.wasm?url';
import { Trainer } from '../../../client-kit/src/onnx.ts';
import { describeFault, differentiate } from '../../../client-kit/src/differentiate.ts';
import { bytesOf, carryOut } from './order.ts';
import type { Order, Outcome } from './order.ts';

const old = location.search === '?old';
const ort = old ? await import('onnxruntime-web') : await import('onnxruntime-web/webgpu');
ort.env.wasm.wasmPaths = old ? { mjs: jsepMjs, wasm: jsep } : { mjs: asyncifyMjs, wasm: asyncify };

const train = async (order: Order): Promise<Outcome> => {
  ort.env.wasm.numThreads = order.threads;
  const made = differentiate(bytesOf(order.model), order.options);
  if (!made.ok) throw new Error(describeFault(made.error));
  return carryOut(await Trainer.load(ort, made.value, { device: order.device }), order);
};

Object.assign(globalThis, { train });
