// `retired-process.ts MODEL BATCH THREADS`: the train step of ONNX Runtime 1.19.2's retired training build, with its own
// gradient kernels (retired/make.py), on its WASM.
import { readFileSync } from 'node:fs';
import type { Tensor as OrtTensor } from 'onnxruntime-web';
import { decodeModel } from '../../core/onnx/codec.ts';
import { batchOf } from './batches.ts';
import { serve } from './line.ts';
import { MODELS } from './models.ts';
import type { ModelName } from './models.ts';
import { retiredOrt } from './retired.ts';

const [, , name, size, threads] = process.argv;
const model = name as ModelName;
const ort = await retiredOrt();
ort.env.wasm.numThreads = Number(threads);

const file = readFileSync(new URL(`retired/${model}.onnx`, import.meta.url));
const session = await ort.InferenceSession.create(new Uint8Array(file));
const batch = batchOf(model, Number(size));
const feeds: Record<string, OrtTensor> = {
  x:
    batch.x instanceof Float32Array
      ? new ort.Tensor('float32', batch.x, batch.xShape)
      : new ort.Tensor('int32', batch.x, batch.xShape),
  labels: new ort.Tensor('int64', BigInt64Array.from(batch.y, BigInt), [batch.y.length]),
  lr: new ort.Tensor('float32', Float32Array.of(0.01), []),
};
for (const [weight, { data, shape }] of decodeModel(MODELS[model]()).initializers) {
  if (!session.inputNames.includes(weight)) continue;
  feeds[weight] = new ort.Tensor('float32', Float32Array.from(data as Float32Array), shape);
}
await serve(async () => {
  const out = await session.run(feeds);
  for (const [output, tensor] of Object.entries(out)) {
    if (output.startsWith('next/')) feeds[output.slice('next/'.length)] = tensor;
  }
  return Number(out['loss']?.data[0]);
});
