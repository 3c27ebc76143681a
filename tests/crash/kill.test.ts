import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from './bundle.ts';
import { campaign } from './campaign.ts';
import type { Report } from './campaign.ts';
import { planKills } from './kill-plan.ts';
import { expectedDigest } from './oracle.ts';

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
  const program = await bundle(join(import.meta.dirname, 'site-process.ts'), join(dir, 'site.mjs'));
  const options = { program, seed: SEED, crews: CREWS };
  console.time('calm');
  calm = await campaign({ ...options, dir: join(dir, 'calm') });
  console.timeEnd('calm');
  console.time('storm');
  stormy = await campaign({
    ...options,
    dir: join(dir, 'storm'),
    plan: (crew) => planKills(SEED, crew, KILLS_PER_CREW),
  });
  console.timeEnd('storm');
  console.log(`${stormy.kills} kills over ${stormy.finished.length} jobs: ${JSON.stringify(stormy.tally)}`);
}, 3_600_000);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('there were kills enough, of every kind', () => {
  expect(stormy.kills).toBeGreaterThanOrEqual(KILLS);
  expect(stormy.finished.length).toBeGreaterThanOrEqual(20);
  for (const kind of ['server', 'site', 'all']) expect(stormy.tally[`who: ${kind}`]).toBeGreaterThan(0);
  for (const moment of ['submit', 'enrol', 'upload']) {
    expect(stormy.tally[`at: ${moment}`]).toBeGreaterThan(0);
  }
});

test('every job completes', () => {
  for (const { status } of [...calm.finished, ...stormy.finished]) {
    expect(status).toBe('FINISHED:COMPLETED');
  }
});

test("every final digest and result is the calm run's, and the one computed here", () => {
  stormy.finished.forEach(({ job, sites, digest, results }, index) => {
    expect(digest, job.kind).toBe(calm.finished[index]?.digest);
    expect(results).toEqual(calm.finished[index]?.results);
    expect(digest, job.kind).toBe(expectedDigest(job, sites));
  });
});

const keyOf = ({ task, site }: { readonly task: unknown; readonly site: unknown }): string =>
  `${String(task)} ${String(site)}`;

test('no acknowledged result is lost', () => {
  expect(stormy.ledger.length).toBeGreaterThan(stormy.finished.length);
  for (const { id, events } of stormy.finished) {
    const counted = new Set(events.filter(({ event }) => event === 'reply').map(({ data }) => keyOf(data as never)));
    const lost = stormy.ledger
      .filter(({ job, status }) => job === id && status !== 'late')
      .filter((line) => !counted.has(keyOf(line)));
    expect(lost).toEqual([]);
  }
});

test('no result is counted twice', () => {
  const accepted = stormy.ledger.filter(({ status }) => status === 'accepted').map((line) => line.job + keyOf(line));
  expect(new Set(accepted).size).toBe(accepted.length);
  for (const { events, sites } of stormy.finished) {
    const replies = events.filter(({ event }) => event === 'reply').map(({ data }) => keyOf(data as never));
    expect(new Set(replies).size).toBe(replies.length);
    for (const { data } of events.filter(({ event, data }) => event === 'task' && data['state'] === 'closed')) {
      const mine = replies.filter((key) => key.startsWith(`${String(data['task'])} `));
      expect(data['replies']).toBe(mine.length);
      expect(mine.length).toBeLessThanOrEqual(sites.length);
    }
  }
});
