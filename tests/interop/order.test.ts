import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawOf } from '../crash/draw.ts';
import { digestOf, rawFile, entry, headerOf, floats, join } from './raw-file.ts';
import { resultOf, Rig } from './rig.ts';
import type { SiteOf } from './rig.ts';

// The same replies, in any order of arrival, make bitwise the same model: folding is in the order of site names.

let rig: Rig;
let sites: SiteOf[];

beforeAll(async () => {
  rig = await Rig.start();
  sites = await Promise.all(Array.from({ length: 64 }, () => rig.enrol()));
}, 60_000);
afterAll(() => rig.stop());

const LENGTH = 257;
const draw = drawOf('order');
const random = (length: number): number[] =>
  Array.from({ length }, () => Math.fround((draw() - 0.5) * 10 ** (draw() * 8 - 4)));
const MODEL = { w: random(LENGTH), b: random(3) };

function shuffled<T>(items: readonly T[]): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}

/** What the server promises, done here: in byte order of names, in float64, one division, rounded once. */
function expected(
  replies: readonly { name: string; steps: number; values: typeof MODEL }[],
  diff: boolean,
): string {
  const sorted = replies.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const total = sorted.reduce((sum, { steps }) => sum + steps, 0);
  const fold = (tensor: 'w' | 'b'): number[] =>
    MODEL[tensor].map((old, i) => {
      let sum = 0;
      for (const { steps, values } of sorted) sum += steps * (values[tensor][i] as number);
      return Math.fround((diff ? old : 0) + sum / total);
    });
  let header = headerOf(
    entry('w', [LENGTH], [0, LENGTH * 4]),
    entry('b', [3], [LENGTH * 4, LENGTH * 4 + 12]),
  );
  header = header.padEnd(Math.ceil(header.length / 8) * 8);
  return digestOf(rawFile(header, join(floats(fold('w')), floats(fold('b')))));
}

test.each([
  [1, 'FULL'],
  [2, 'DIFF'],
  [3, 'FULL'],
  [7, 'DIFF'],
  [16, 'FULL'],
  [64, 'FULL'],
  [64, 'DIFF'],
] as const)('%i sites, %s', async (count, type) => {
  const crew = shuffled(sites).slice(0, count);
  const replies = crew.map(({ name }) => ({
    name,
    steps: 1 + Math.floor(draw() * 1000),
    values: { w: random(LENGTH), b: random(3) },
  }));
  const digests = new Set<string>();
  for (let repeat = 0; repeat < 3; repeat++) {
    const { job, tasks } = await rig.openTask(crew, { model: MODEL });
    const send = (i: number) =>
      rig.send(
        tasks[i]!,
        crew[i]!,
        resultOf(replies[i]!.values, {
          params_type: type,
          meta: { NUM_STEPS_CURRENT_ROUND: replies[i]!.steps },
        }),
      );
    const order = shuffled(crew.map((_, i) => i));
    // Once one by one, then all at once.
    if (repeat < 2) for (const i of order) await send(i);
    else await Promise.all(order.map(send));
    const { status, models } = await rig.settled(job);
    expect(status).toBe('FINISHED:COMPLETED');
    digests.add(models['global']!.digest);
  }
  expect([...digests]).toEqual([expected(replies, type === 'DIFF')]);
});
