import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { campaign } from './campaign.ts';
import { planKills } from './kill-plan.ts';
import { onnxJobs } from './onnx-jobs.ts';
import { expectComplete, expectNoneLost, expectNoneTwice, expectSame } from './verdict.ts';

const long = process.env['TRIBUTARY_LONG'] === '1';
const SEED = 7;

// Real training: a killed site repeats its task bit for bit on one WASM thread.
test.skipIf(!long)(
  `kills while a network is trained with ONNX Runtime${long ? '' : ' (skipped: long suite only)'}`,
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tributary-crash-onnx-'));
    try {
      const options = {
        program: join(import.meta.dirname, 'onnx-site.ts'),
        crews: 2,
        jobs: (crew: number) => onnxJobs(SEED, crew),
      };
      const calm = await campaign({ ...options, dir: join(dir, 'calm') });
      const stormy = await campaign({
        ...options,
        dir: join(dir, 'storm'),
        plan: (crew) => planKills(SEED, crew, 6, 12),
      });
      console.log(`${stormy.kills} kills while training: ${JSON.stringify(stormy.tally)}`);
      expect(stormy.kills).toBeGreaterThanOrEqual(10);
      expectComplete(calm);
      expectComplete(stormy);
      expectSame(stormy, calm);
      expectNoneLost(stormy);
      expectNoneTwice(stormy);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
  600_000,
);
