// Who races whom, and by how much we mean to win.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { startProcess } from './contestant.ts';
import type { Contestant } from './contestant.ts';
import type { Chromium } from './browser.ts';
import type { ModelName } from './models.ts';
import type { PageContestant } from './page.ts';

type ByModel<T> = Partial<Record<ModelName, T>>;

export interface Entry {
  readonly name: string;
  /** Rows of ours, with as many threads, and the least that (its time / ours) should be, where a bar is set. */
  readonly against: readonly { readonly ours: string; readonly bars: ByModel<number> }[];
  /** Why it doesn't run a model. */
  readonly absent?: ByModel<string>;
  readonly start: (model: ModelName, batch: number) => Promise<Contestant>;
}

const here = (file: string): string => join(import.meta.dirname, file);
const process_ =
  (command: string, file: string, ...more: readonly (string | number)[]) =>
  (model: ModelName, batch: number): Promise<Contestant> =>
    startProcess(command, [here(file), model, ...[batch, ...more].map(String)]);
const node = (file: string, ...more: readonly (string | number)[]): Entry['start'] =>
  process_(process.execPath, file, ...more);

const all = <T>(value: T): ByModel<T> => ({ mlp: value, cnn: value, resnet18: value, gpt: value });

const WASM = 'Tributary, WASM, 1 thread';
const WASM_2 = 'Tributary, WASM, 2 threads';
const NATIVE = 'Tributary, onnxruntime-node, 1 thread';
const NATIVE_2 = 'Tributary, onnxruntime-node, 2 threads';
/** How much slower than native WASM may be. */
const NATIVE_BARS = { ...all(1 / 2.6), mlp: 1 / 3.5 };
const NOT_PORTED = { resnet18: 'not ported', gpt: 'not ported' };

/** The first of these that has PyTorch: TORCH_PYTHON, then the system's. */
const python = [process.env['TORCH_PYTHON'], 'python3', '/usr/bin/python3'].find((command) => {
  if (!command) return false;
  try {
    execFileSync(command, ['-c', 'import torch'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

export const IN_NODE: readonly Entry[] = [
  { name: WASM, against: [], start: node('ours-process.ts', 'web', 1) },
  { name: WASM_2, against: [], start: node('ours-process.ts', 'web', 2) },
  {
    name: 'Tributary, WASM, 1 thread, 10 steps a run (Loop)',
    against: [{ ours: WASM, bars: {} }],
    start: node('ours-process.ts', 'web', 1, 10),
  },
  {
    name: NATIVE,
    against: [{ ours: WASM, bars: NATIVE_BARS }],
    start: node('ours-process.ts', 'node', 1),
  },
  {
    name: NATIVE_2,
    against: [{ ours: WASM_2, bars: NATIVE_BARS }],
    start: node('ours-process.ts', 'node', 2),
  },
  {
    name: 'onnxruntime-web 1.19.2, training build, WASM, 1 thread',
    against: [{ ours: WASM, bars: { mlp: 0.95, cnn: 0.95 } }],
    start: node('retired-process.ts', 1),
  },
  {
    name: 'Tributary on that build, WASM, 1 thread',
    against: [{ ours: WASM, bars: {} }],
    start: node('ours-process.ts', 'retired', 1),
  },
  {
    name: 'jax-js, WASM, 1 thread',
    against: [{ ours: WASM, bars: { ...all(1), mlp: 3 } }],
    absent: { resnet18: 'it imports no BatchNormalization' },
    start: node('jax-process.ts'),
  },
  {
    name: 'TensorFlow.js, 1 thread',
    against: [{ ours: WASM, bars: { mlp: 6, cnn: 10 } }],
    absent: NOT_PORTED,
    start: node('tfjs-process.ts'),
  },
  {
    name: 'PyTorch, CPU, 2 threads',
    against: [
      { ours: WASM_2, bars: { mlp: 1 / 2.5, cnn: 1 / 5, resnet18: 1 / 5 } },
      { ours: NATIVE_2, bars: { ...all(1 / 2.5), mlp: 1 } },
    ],
    ...(python === undefined && { absent: all('no Python here has it (TORCH_PYTHON names one)') }),
    start: process_(python ?? '', 'torch_process.py', 2),
  },
];

const CHROMIUM = 'Tributary, WASM, 1 thread';
const CHROMIUM_2 = 'Tributary, WASM, 2 threads';
const CHROMIUM_GPU = 'Tributary, WebGPU';
const NO_RESNET = { resnet18: 'it imports no BatchNormalization' };

/** The same in a page. WebGPU is software there: its times say nothing of a GPU, and no bar stands on them. */
export const inChromium = (chromium: Chromium, gpu: boolean): readonly Entry[] => {
  const tab =
    (who: PageContestant): Entry['start'] =>
    (model, batch) =>
      chromium.start(who, model, batch);
  const onCpu: readonly Entry[] = [
    { name: CHROMIUM, against: [], start: tab('ours 1') },
    { name: CHROMIUM_2, against: [], start: tab('ours 2') },
    {
      name: 'jax-js, WASM, as many threads as cores',
      against: [{ ours: CHROMIUM_2, bars: { ...all(1), mlp: 3 } }],
      absent: NO_RESNET,
      start: tab('jax wasm'),
    },
    {
      name: 'TensorFlow.js, WASM, 1 thread',
      against: [{ ours: CHROMIUM, bars: { mlp: 4.5 } }],
      absent: { ...NOT_PORTED, cnn: 'it has no Conv2DBackpropFilter' },
      start: tab('tfjs wasm'),
    },
    {
      name: 'TensorFlow.js, WebGL (software)',
      against: [{ ours: CHROMIUM, bars: { cnn: 10 } }],
      absent: NOT_PORTED,
      start: tab('tfjs webgl'),
    },
  ];
  const onGpu: readonly Entry[] = [
    { name: CHROMIUM_GPU, against: [], start: tab('ours gpu') },
    {
      name: 'jax-js, WebGPU',
      against: [{ ours: CHROMIUM_GPU, bars: {} }],
      absent: NO_RESNET,
      start: tab('jax gpu'),
    },
  ];
  return gpu ? onGpu : onCpu;
};
