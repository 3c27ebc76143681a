import { env } from 'cloudflare:workers';
import { runInDurableObject } from 'cloudflare:test';
import { expect, test } from 'vitest';
import { MiB } from '../../core/protocol/limits.ts';
import { sha256Of } from '../../tests/workerd/bytes-room.ts';
import type { BlobStore } from './blob-store.ts';
import { CHUNK_TABLES, ChunkRows } from '../bytes/chunk-rows.ts';
import type { Env } from '../env.ts';
import type { StagedBlob } from './row-blobs.ts';
import { streamPieces } from '../http/serve-bytes.ts';

const { BLOB } = env as unknown as Env;

const bytesOf = async (stream: ReadableStream): Promise<Uint8Array> =>
  new Uint8Array(await new Response(stream).arrayBuffer());

const bodyOf =
  (rows: ChunkRows, { run, bytes }: StagedBlob) =>
  (): ReadableStream =>
    streamPieces(rows.pieces(run, 0, bytes), bytes);

/** What every BlobStore does, run once for each. */
export const blobStoreSuite = (
  name: string,
  make: (rows: ChunkRows) => BlobStore<StagedBlob>,
): void => {
  /** Stages bytes in rows and hands them to a new store. */
  const withStore = (
    file: Uint8Array<ArrayBuffer>,
    action: (store: BlobStore<StagedBlob>, blob: StagedBlob, rows: ChunkRows) => Promise<void>,
  ): Promise<void> =>
    runInDurableObject(BLOB.get(BLOB.newUniqueId()), async (_, { storage }) => {
      for (const table of CHUNK_TABLES) storage.sql.exec(table);
      const rows = new ChunkRows(storage.sql, 64 * MiB);
      const run = rows.begin(file.length, 'staged');
      rows.append(run, file);
      const digest = sha256Of(file);
      const blob = { name: `${crypto.randomUUID()}.${digest}`, digest, bytes: file.length, run };
      const store = make(rows);
      await store.keep(blob, bodyOf(rows, blob));
      if (store.name !== 'rows') rows.kill(run);
      rows.clearStaged();
      while (rows.sweep());
      await action(store, blob, rows);
    });

  const file = new Uint8Array(2 * MiB + 12_345);
  for (let i = 0; i < file.length; i++) file[i] = (i * 7 + (i >> 10)) & 255;

  test(`${name}: keeps a blob and streams all or part of it`, () =>
    withStore(file, async (store, blob) => {
      const spans = [
        [0, file.length],
        [0, 1],
        [MiB - 1, MiB + 1],
        [file.length - 1, file.length],
      ] as const;
      for (const [start, end] of spans) {
        const got = await bytesOf(await store.stream(blob, start, end));
        expect(Buffer.compare(got, file.subarray(start, end))).toBe(0);
      }
    }));

  test(`${name}: keeps an empty blob`, () =>
    withStore(new Uint8Array(0), async (store, blob) => {
      expect((await bytesOf(await store.stream(blob, 0, 0))).length).toBe(0);
    }));

  test(`${name}: keeping again changes nothing`, () =>
    withStore(file.slice(0, 10), async (store, blob, rows) => {
      const again = rows.begin(10, 'staged');
      rows.append(again, file.slice(0, 10));
      const staged = { ...blob, run: again };
      await store.keep(staged, bodyOf(rows, staged));
      expect(await bytesOf(await store.stream(blob, 0, 10))).toEqual(file.slice(0, 10));
    }));

  test(`${name}: deletes, twice as well; then there is nothing to read`, () =>
    withStore(file.slice(0, 99), async (store, blob, rows) => {
      await store.delete(blob);
      await store.delete(blob);
      while (rows.sweep());
      await expect(store.stream(blob, 0, 99)).rejects.toThrow(RangeError);
    }));

  test(`${name}: the same bytes under two names are two blobs`, () =>
    withStore(file.slice(0, 99), async (store, blob, rows) => {
      const run = rows.begin(99, 'kept');
      rows.append(run, file.slice(0, 99));
      const twin = { ...blob, name: `${blob.name}.twin`, run };
      await store.keep(twin, bodyOf(rows, twin));
      await store.delete(blob);
      while (rows.sweep());
      await expect(store.stream(blob, 0, 99)).rejects.toThrow(RangeError);
      expect(await bytesOf(await store.stream(twin, 0, 99))).toEqual(file.slice(0, 99));
    }));

  test(`${name}: a body that breaks off leaves nothing to read, and can be brought again`, () =>
    withStore(file.slice(0, 9), async (store, blob, rows) => {
      if (store.name === 'rows') return; // It is given no body: the bytes are there.
      const run = rows.begin(file.length, 'kept');
      rows.append(run, file);
      const digest = sha256Of(file);
      const big = { name: `${blob.name}.big`, digest, bytes: file.length, run };
      const breaking = (function* () {
        yield* rows.pieces(run, 0, MiB);
        throw new Error('the object dies here');
      })();
      await expect(store.keep(big, () => streamPieces(breaking, big.bytes))).rejects.toThrow();
      await expect(store.stream(big, 0, big.bytes)).rejects.toThrow(RangeError);
      await store.keep(big, bodyOf(rows, big));
      expect(sha256Of(await bytesOf(await store.stream(big, 0, big.bytes)))).toBe(digest);
    }));
};
