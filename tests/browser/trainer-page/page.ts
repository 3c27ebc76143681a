/// <reference types="vite/client" />
// Trains with the kit what a test orders.
import * as ort from 'onnxruntime-web/webgpu';
import mjs from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import { Trainer } from '../../../client-kit/src/onnx.ts';
import { describeFault, differentiate } from '../../../client-kit/src/differentiate.ts';
import { bytesOf, carryOut } from './order.ts';
import type { Order, Outcome } from './order.ts';

ort.env.wasm.wasmPaths = { mjs, wasm };

const train = async (order: Order): Promise<Outcome> => {
  ort.env.wasm.numThreads = order.threads;
  const made = differentiate(bytesOf(order.model), order.options);
  if (!made.ok) throw new Error(describeFault(made.error));
  return carryOut(await Trainer.load(ort, made.value, { device: order.device }), order);
};

Object.assign(globalThis, { train });
