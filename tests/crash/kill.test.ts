import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from './bundle.ts';
import { campaign } from './campaign.ts';
import type { Report } from './campaign.ts';
import { planKills } from './kill-plan.ts';
import { numericJobs } from './numeric-jobs.ts';
import { expectComplete, expectNoneLost, expectNoneTwice, expectSame } from './verdict.ts';

// SIGKILLs at seeded moments: the server, one site, or all, while they enrol, submit, train and upload. Storage stays,
// everything is started again at once. `npm test` runs the first crews of the long suite.
const long = process.env['TRIBUTARY_LONG'] === '1';
const SEED = 2026;
const KILLS_PER_CREW = 6;
const [CREWS, KILLS] = long ? [36, 200] : [5, 30];

let dir: string;
let calm: Report;
let stormy: Report;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tributary-crash-'));
  const program = await bundle(join(import.meta.dirname, 'numeric-site.ts'), join(dir, 'site.mjs'));
  const options = { program, crews: CREWS, jobs: (crew: number) => numericJobs(SEED, crew) };
  calm = await campaign({ ...options, dir: join(dir, 'calm') });
  stormy = await campaign({
    ...options,
    dir: join(dir, 'storm'),
    plan: (crew) => planKills(SEED, crew, KILLS_PER_CREW),
  });
  console.log(
    `${stormy.kills} kills over ${stormy.finished.length} jobs: ${JSON.stringify(stormy.tally)}`,
  );
}, 3_600_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }), 120_000);

test('there were kills enough, of every kind', () => {
  expect(stormy.kills).toBeGreaterThanOrEqual(KILLS);
  expect(stormy.finished.length).toBeGreaterThanOrEqual(20);
  for (const kind of [
    'who: server',
    'who: site',
    'who: all',
    'at: submit',
    'at: enrol',
    'at: upload',
  ]) {
    expect(stormy.tally[kind], kind).toBeGreaterThan(0);
  }
});

test('every job completes', () => {
  expectComplete(calm);
  expectComplete(stormy);
});

test("every final digest and result is the calm run's, and the one computed here", () => {
  expectSame(stormy, calm);
});

test('no acknowledged result is lost', () => expectNoneLost(stormy));

test('no result is counted twice', () => expectNoneTwice(stormy));
