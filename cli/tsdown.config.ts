import { defineConfig } from 'tsdown';

/** One file that holds core and the kit too; what it needs at run time are the package's dependencies. */
export default defineConfig({
  entry: ['src/main.ts'],
  format: 'esm',
  platform: 'node',
  target: 'node20.3',
  dts: false,
  clean: true,
  fixedExtension: false,
  outputOptions: { codeSplitting: false },
  deps: {
    neverBundle: ['onnxruntime-web', 'fast-png', 'fflate', 'hyparquet', 'jpeg-js'],
    onlyBundle: ['valibot', '@bufbuild/protobuf'],
  },
});
