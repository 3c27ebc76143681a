import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { blobStores } from './blob-stores.ts';
import { blobStoreSuite } from './blob-store.suite.ts';
import { CHUNK_TABLES, ChunkRows } from './chunk-rows.ts';
import { DiskBlobs } from './disk-blobs.ts';
import { R2Blobs } from './r2-blobs.ts';
import { RowBlobs } from './row-blobs.ts';
import { newRoom } from '../tests/workerd/bytes-room.ts';

// Bound in the tests only, under names of their own: with R2 itself, every blob of every test would live there.
const { TEST_R2, TEST_DISK } = env as unknown as { TEST_R2: R2Bucket; TEST_DISK: Fetcher };

blobStoreSuite('rows', (rows) => new RowBlobs(rows));
blobStoreSuite('r2', (rows) => new R2Blobs(TEST_R2, rows));
blobStoreSuite('disk', (rows) => new DiskBlobs(TEST_DISK, rows));

test('bindings choose the store of new blobs, and blobs in rows stay readable', async () => {
  await newRoom().use(({ storage }) => {
    for (const table of CHUNK_TABLES) storage.sql.exec(table);
    const names = (bindings: Parameters<typeof blobStores>[0]) =>
      blobStores(bindings, new ChunkRows(storage.sql, 1)).map(({ name }) => name);
    expect(names({})).toEqual(['rows']);
    expect(names({ R2: TEST_R2 })).toEqual(['r2', 'rows']);
    expect(names({ BLOBS: TEST_DISK })).toEqual(['disk', 'rows']);
  });
});
