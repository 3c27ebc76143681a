import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type * as OrtWeb from 'onnxruntime-web';

/** ONNX Runtime Web 1.19.2's training build; it isn't among the package's exports for Node. */
export const retiredOrt = async (): Promise<typeof OrtWeb> => {
  const require = createRequire(new URL('peers/', import.meta.url));
  const build = require
    .resolve('onnxruntime-web-1.19')
    .replace(/ort\.node\.min\.js$/, 'ort.training.wasm.min.mjs');
  return (await import(pathToFileURL(build).href)) as typeof OrtWeb;
};
