// One program on every runtime: how far the loss curves of 20 steps lie from that of WASM with one thread.
// `node bench/training/runtimes.ts` prints the table; tests/browser/runtimes.test.ts holds it to its tolerances.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { machine, table } from '../machine.ts';
import { CHROMIUM } from '../../tests/browser/chromium.ts';
import { openChromium } from './browser.ts';
import type { Chromium } from './browser.ts';
import { startProcess } from './contestant.ts';
import type { Contestant } from './contestant.ts';
import type { ModelName } from './models.ts';

const STEPS = 20;
/** Models, each with a batch and a learning rate that move its loss. */
export const CURVES = [
  { model: 'mlp', batch: 32, lr: 0.1 },
  { model: 'cnn', batch: 16, lr: 0.05 },
  { model: 'transformer', batch: 8, lr: 0.5 },
] as const satisfies readonly { model: ModelName; batch: number; lr: number }[];
export type Curve = (typeof CURVES)[number];

interface Runtime {
  readonly name: string;
  /** The most that a loss may differ from the reference's, relative to it. */
  readonly tolerance: number;
  readonly start: (of: Curve) => Promise<Contestant>;
}

const REFERENCE = 'WASM, 1 thread, Node';

const inNode =
  (runtime: 'web' | 'node', threads: number) =>
  ({ model, batch, lr }: Curve): Promise<Contestant> =>
    startProcess(process.execPath, [
      '--no-warnings',
      join(import.meta.dirname, 'ours-process.ts'),
      ...[model, batch, runtime, threads, 1, lr].map(String),
    ]);

/** Whether the bench's peers are installed: onnxruntime-node is one of them. */
export const NATIVE = existsSync(
  join(import.meta.dirname, 'peers/node_modules/onnxruntime-node/package.json'),
);

export const runtimes = (chromium: Chromium | undefined): readonly Runtime[] => [
  { name: REFERENCE, tolerance: 0, start: inNode('web', 1) },
  { name: 'WASM, 2 threads, Node', tolerance: 1e-5, start: inNode('web', 2) },
  ...(NATIVE
    ? [
        {
          name: 'onnxruntime-node, 1 thread',
          tolerance: 1e-4,
          start: inNode('node', 1),
        },
        {
          name: 'onnxruntime-node, 2 threads',
          tolerance: 1e-4,
          start: inNode('node', 2),
        },
      ]
    : []),
  ...(chromium === undefined
    ? []
    : (
        [
          ['WASM, 1 thread, Chromium', 1e-6, 'ours 1'],
          ['WASM, 2 threads, Chromium', 1e-5, 'ours 2'],
          ['WebGPU without the CPU, Chromium', 1e-3, 'ours gpu'],
        ] as const
      ).map(([name, tolerance, who]): Runtime => ({
        name,
        tolerance,
        start: ({ model, batch, lr }) => chromium.start(who, model, batch, lr),
      }))),
];

/** The losses of the first steps. */
export const curveOf = async (runtime: Runtime, of: Curve): Promise<readonly number[]> => {
  const contestant = await runtime.start(of);
  const { losses } = await contestant.round(STEPS);
  await contestant.stop();
  return losses;
};

/** The largest difference of two curves, relative to the second. */
export const distance = (curve: readonly number[], reference: readonly number[]): number =>
  Math.max(...reference.map((loss, i) => Math.abs((curve[i] ?? NaN) - loss) / loss));

if (process.argv[1] === import.meta.filename) {
  const chromium = CHROMIUM === undefined ? undefined : await openChromium();
  const all = runtimes(chromium);
  const references: (readonly number[])[] = [];
  const rows: string[][] = [
    ['from WASM, 1 thread', ...CURVES.map(({ model }) => model), 'allowed'],
  ];
  for (const runtime of all) {
    const cells: string[] = [];
    for (const [i, of] of CURVES.entries()) {
      const curve = await curveOf(runtime, of);
      references[i] ??= curve;
      const [first, last] = [curve[0] ?? NaN, curve.at(-1) ?? NaN];
      cells.push(
        runtime.name === REFERENCE
          ? `${first.toFixed(4)} to ${last.toFixed(4)}`
          : distance(curve, references[i] ?? []).toExponential(1),
      );
    }
    rows.push([runtime.name, ...cells, runtime.tolerance.toExponential(0)]);
  }
  console.log(machine('onnxruntime-web'));
  console.log(table(rows));
  await chromium?.close();
}
