import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import type { OwnedBytes } from '../bytes/chunk-rows.ts';
import { downloadBudget, streamPieces } from './serve-bytes.ts';

afterEach(() => vi.useRealTimers());

/** Rows that tell how many of them were read, and how many are still in memory. */
const source = (rows: number) => {
  const read: OwnedBytes[] = [];
  const pieces = function* (): Generator<OwnedBytes> {
    for (let n = 0; n < rows; n++) {
      const row = new Uint8Array(MiB).fill(n + 1);
      read.push(row);
      yield row;
    }
  };
  return { read, pieces };
};
const settle = (): Promise<void> => scheduler.wait(20);

test('downloads that nobody reads hold the budget and no more; each goes on when one is read', async () => {
  const budget = downloadBudget();
  const { read, pieces } = source(2);
  const most = LIMITS.downloadBufferBytes / LIMITS.rowBytes;
  const streams = Array.from({ length: 3 * most }, () => streamPieces(pieces(), 2 * MiB, budget));
  await settle();
  const held = (): number => read.filter(({ length }) => length > 0).length;
  expect([read.length, held()]).toEqual([most, most]);
  const all = await Promise.all(
    streams.map(async (stream) => new Uint8Array(await new Response(stream).arrayBuffer())),
  );
  expect(held()).toBe(0);
  for (const bytes of all) expect([bytes[0], bytes.at(-1), bytes.length]).toEqual([1, 2, 2 * MiB]);
});

test('a reader who takes nothing for LIMITS.downloadStallMS is cut off and makes room', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const budget = downloadBudget();
  const most = LIMITS.downloadBufferBytes / LIMITS.rowBytes;
  const silent = Array.from({ length: most }, () =>
    streamPieces(source(2).pieces(), 2 * MiB, budget),
  );
  const waiting = streamPieces(source(2).pieces(), 2 * MiB, budget);
  await settle();
  vi.advanceTimersByTime(LIMITS.downloadStallMS);
  const got = await new Response(waiting).arrayBuffer();
  expect(got.byteLength).toBe(2 * MiB);
  for (const stream of silent) await expect(new Response(stream).arrayBuffer()).rejects.toThrow();
});
