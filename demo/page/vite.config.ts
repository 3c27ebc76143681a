import { join } from 'node:path';
import { defineConfig } from 'vite';

/** Cross-origin isolation gives ONNX Runtime threads. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  root: import.meta.dirname,
  // Vite's dev server would move ONNX Runtime's code away from its WebAssembly file.
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  server: { headers, fs: { allow: [join(import.meta.dirname, '../..')] } },
  preview: { headers },
});
