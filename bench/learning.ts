// What federation is worth: the demo at its defaults, at three seeds that had no part in choosing those defaults.
// `npm run bench -- learning`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DemoResult } from '../demo/summary.ts';
import { machine, table } from './machine.ts';

const SEEDS = [11, 12, 13];

const demo = (seed: number): { result: DemoResult; seconds: number } => {
  const data = mkdtempSync(join(tmpdir(), 'tributary-learning-'));
  const begin = performance.now();
  try {
    const main = join(import.meta.dirname, '../demo/main.ts');
    const args = ['--no-warnings', main, '--json', '--seed', String(seed), '--data', data];
    const out = execFileSync(process.execPath, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const result = JSON.parse(out.trim().split('\n').at(-1) ?? '') as DemoResult;
    return { result, seconds: (performance.now() - begin) / 1000 };
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
};

const gap = ({ accuracy, alone, centralized }: DemoResult): number =>
  (accuracy - alone.mean) / (centralized - alone.mean);
const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;

const rows = [
  ['seed', 'federated', 'alone: least', 'mean', 'greatest', 'centralized', 'gap closed', 'seconds'],
];
const gaps: number[] = [];
for (const seed of SEEDS) {
  const { result, seconds } = demo(seed);
  const { accuracy, alone, centralized } = result;
  gaps.push(gap(result));
  const shares = [accuracy, alone.min, alone.mean, alone.max, centralized, gap(result)];
  rows.push([String(seed), ...shares.map(percent), seconds.toFixed(0)]);
}
console.log(machine('onnxruntime-web'));
console.log(
  'demo defaults: six sites, Dirichlet(0.3), the CNN; accuracy on the 10,000 held-out images, equal optimizer steps for every model. gap closed: (federated - mean alone) / (centralized - mean alone)',
);
console.log(table(rows));
console.log(`mean gap closed ${percent(gaps.reduce((sum, g) => sum + g, 0) / gaps.length)}`);
