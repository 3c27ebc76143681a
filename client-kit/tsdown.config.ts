import { defineConfig } from 'tsdown';

const ENTRIES = [
  'index',
  'onnx',
  'differentiate',
  'node',
  'browser',
  'decorators',
  'executor',
  'agent',
  'agent-node',
  'model-learner',
  'tfjs',
  'worker',
];
const common = {
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  // No dependencies: valibot reads the arguments of a few filters, and what is used of it fits in; protobuf reads ONNX,
  // for the differentiator alone.
  deps: {
    neverBundle: [/^node:/, 'onnxruntime-web'],
    onlyBundle: ['valibot', '@bufbuild/protobuf'],
  },
} as const;

/** The code from the sources; the types from what `tsc -p tsconfig.build.json` wrote, made one file an entry likewise. */
export default defineConfig([
  {
    ...common,
    entry: ENTRIES.map((name) => `src/${name}.ts`),
    clean: true,
    dts: false,
  },
  {
    ...common,
    entry: ENTRIES.map((name) => `./.tsbuild/types/client-kit/src/${name}.d.ts`),
    clean: false,
    dts: { dtsInput: true, emitDtsOnly: true },
  },
]);
