// `ours-process.ts MODEL BATCH web|node|retired THREADS [STEPS A RUN [RATE]]`: our train program as a process.
import { createRequire } from 'node:module';
import { looped } from '../../core/onnx/index.ts';
import type { Program, Programs } from '../../core/onnx/index.ts';
import { batchOf } from './batches.ts';
import { serve } from './line.ts';
import type { ModelName } from './models.ts';
import { programsOf, stepper } from './ours.ts';
import type { Ort } from './ours.ts';
import { retiredOrt } from './retired.ts';

const loop = ({ train }: Programs): Program => {
  const made = looped(train);
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
};

const [, , model, size, runtime, threads, aRun = '1', rate = '0.01'] = process.argv;
const lr = Number(rate);
const batch = batchOf(model as ModelName, Number(size));
const require = createRequire(new URL('peers/', import.meta.url));

if (runtime === 'node') {
  const ort = require('onnxruntime-node') as Ort;
  const options = { intraOpNumThreads: Number(threads), interOpNumThreads: 1 };
  await serve(await stepper(ort, programsOf(model as ModelName, 'native'), batch, { options, lr }));
} else {
  const ort = runtime === 'retired' ? await retiredOrt() : await import('onnxruntime-web');
  ort.env.wasm.numThreads = Number(threads);
  const steps = Number(aRun);
  const programs = programsOf(model as ModelName, 'wasm');
  const train = steps > 1 ? loop(programs) : programs.train;
  await serve(await stepper(ort, { ...programs, train }, batch, { steps, lr }), '', steps);
}
