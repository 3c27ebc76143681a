// `tfjs-process.ts MODEL BATCH`: TensorFlow.js in Node, on WASM where that can train the model, else in plain JavaScript.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { batchOf } from './batches.ts';
import { serve } from './line.ts';
import { tfjsStepper } from './tfjs.js';
import type { TensorFlow } from './tfjs.js';

const [, , model, size] = process.argv;
const require = createRequire(new URL('peers/', import.meta.url));
const tf = require('@tensorflow/tfjs') as TensorFlow;
// Its WASM has no Conv2DBackpropFilter.
const backend = model === 'mlp' ? 'wasm' : 'cpu';
if (backend === 'wasm') {
  const name = '@tensorflow/tfjs-backend-wasm';
  const wasm = require(name) as { setWasmPaths(folder: string): void };
  wasm.setWasmPaths(join(dirname(require.resolve(name)), '/'));
}
await tf.setBackend(backend);
await serve(tfjsStepper(tf, model ?? '', batchOf(model as 'mlp' | 'cnn', Number(size))), backend);
