import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { boundStores } from './blob-stores.ts';
import { blobStoreSuite } from './blob-store.suite.ts';
import { DiskBlobs } from './disk-blobs.ts';
import { R2Blobs } from './r2-blobs.ts';
import { RowBlobs } from './row-blobs.ts';

// Bound in the tests only, under names of their own: with R2 itself, every blob of every test would live there.
const { TEST_R2, TEST_DISK } = env as unknown as { TEST_R2: R2Bucket; TEST_DISK: Fetcher };

blobStoreSuite('rows', (rows) => new RowBlobs(rows));
blobStoreSuite('r2', () => new R2Blobs(TEST_R2));
blobStoreSuite('disk', () => new DiskBlobs(TEST_DISK));

test('bindings choose the stores: what is new goes to the first', () => {
  const names = (bindings: Parameters<typeof boundStores>[0]) =>
    boundStores(bindings).map(({ name }) => name);
  expect(names({})).toEqual([]);
  expect(names({ R2: TEST_R2 })).toEqual(['r2']);
  expect(names({ BLOBS: TEST_DISK })).toEqual(['disk']);
  expect(names({ R2: TEST_R2, BLOBS: TEST_DISK })).toEqual(['r2', 'disk']);
});
