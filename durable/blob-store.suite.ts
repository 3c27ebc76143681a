import { env } from 'cloudflare:workers';
import { runInDurableObject } from 'cloudflare:test';
import { expect, test } from 'vitest';
import { MiB } from '../core/protocol/limits.ts';
import { sha256Of } from '../tests/workerd/bytes-room.ts';
import type { BlobStore, StagedBlob } from './blob-store.ts';
import { CHUNK_TABLES, ChunkRows } from './chunk-rows.ts';
import type { Env } from './env.ts';

const { BLOB } = env as unknown as Env;

const bytesOf = async (stream: ReadableStream): Promise<Uint8Array> =>
  new Uint8Array(await new Response(stream).arrayBuffer());

/** What every BlobStore does, run once for each. */
export const blobStoreSuite = (name: string, make: (rows: ChunkRows) => BlobStore): void => {
  /** Stages bytes in rows and hands them to a new store. */
  const withStore = (
    file: Uint8Array<ArrayBuffer>,
    action: (store: BlobStore, blob: StagedBlob, rows: ChunkRows) => Promise<void>,
  ): Promise<void> =>
    runInDurableObject(BLOB.get(BLOB.newUniqueId()), async (_, { storage }) => {
      for (const table of CHUNK_TABLES) storage.sql.exec(table);
      const rows = new ChunkRows(storage.sql, 64 * MiB);
      const run = rows.begin(file.length, 'staged');
      rows.append(run, file);
      const blob = { digest: sha256Of(file), bytes: file.length, run };
      const store = make(rows);
      await store.keep(blob);
      if (!store.usesRows) rows.kill(run);
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
      await store.keep({ ...blob, run: again });
      expect(await bytesOf(await store.stream(blob, 0, 10))).toEqual(file.slice(0, 10));
    }));

  test(`${name}: deletes, twice as well; then there is nothing to read`, () =>
    withStore(file.slice(0, 99), async (store, blob, rows) => {
      await store.delete(blob);
      await store.delete(blob);
      while (rows.sweep());
      await expect(store.stream(blob, 0, 99)).rejects.toThrow(RangeError);
    }));
};
