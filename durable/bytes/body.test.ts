import { afterEach, expect, test, vi } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { Body } from './body.ts';
import { BrokenBody } from './broken-body.ts';

afterEach(() => void vi.useRealTimers());

const bodyOf = (bytes: Uint8Array<ArrayBuffer>): Body => new Body(new Response(bytes).body);

test('pieces are as long as asked for, and shorter only at the end', async () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  const body = bodyOf(bytes);
  expect(await body.take(8)).toEqual(bytes.slice(0, 8));
  const buffer = new ArrayBuffer(64);
  const piece = await body.take(64, buffer);
  expect(piece).toEqual(bytes.slice(8, 72));
  expect([buffer.byteLength, piece.buffer.byteLength]).toEqual([0, 64]);
  expect(await body.take(64, piece.buffer)).toEqual(bytes.slice(72));
  expect((await body.take(1)).length).toBe(0);
  expect((await new Body(null).take(1)).length).toBe(0);
});

test('drain reads up to the limit and no further', async () => {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  let written = 0;
  const sending = (async () => {
    for (; written < 8 * MiB; written += MiB) await writer.write(new Uint8Array(MiB));
  })().catch(() => {});
  await new Body(readable).drain(3 * MiB);
  await sending;
  expect(written).toBeGreaterThanOrEqual(2 * MiB);
  expect(written).toBeLessThanOrEqual(4 * MiB);
});

test('a body that brings nothing for too long is broken, and no longer read', async () => {
  vi.useFakeTimers();
  const { readable, writable } = new IdentityTransformStream();
  const body = new Body(readable);
  const writing = writable
    .getWriter()
    .write(new Uint8Array(3))
    .catch(() => 'refused');
  const taken = body.take(5).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(LIMITS.uploadStallMS - 1);
  expect(await Promise.race([taken, Promise.resolve('pending')])).toBe('pending');
  await vi.advanceTimersByTimeAsync(1);
  expect(await taken).toBeInstanceOf(BrokenBody);
  await body.drain(100);
  expect(['refused', undefined]).toContain(await writing);
});
