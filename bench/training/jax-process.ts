// `jax-process.ts MODEL BATCH`: jax-js on WASM, as a process (in Node it has no threads).
import { createRequire } from 'node:module';
import { batchOf } from './batches.ts';
import { jaxStepper } from './jax.ts';
import type { Jax, JaxOnnx } from './jax.ts';
import { serve } from './line.ts';
import type { ModelName } from './models.ts';

const [, , name, size] = process.argv;
const model = name as ModelName;
const require = createRequire(new URL('peers/', import.meta.url));
const jax = require('@jax-js/jax') as Jax;
const onnx = require('@jax-js/onnx') as JaxOnnx;
await serve(await jaxStepper(jax, onnx, model, batchOf(model, Number(size)), 'wasm'));
