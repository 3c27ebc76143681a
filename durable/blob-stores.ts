import type { BlobStore } from './blob-store.ts';
import type { ChunkRows } from './chunk-rows.ts';
import { DiskBlobs } from './disk-blobs.ts';
import type { Env } from './env.ts';
import { R2Blobs } from './r2-blobs.ts';
import { RowBlobs } from './row-blobs.ts';

/** The stores that this deployment has; new blobs go to the first. The one place that knows the bindings. */
export const blobStores = (
  { R2, BLOBS }: Pick<Env, 'R2' | 'BLOBS'>,
  rows: ChunkRows,
): readonly [BlobStore, ...BlobStore[]] => {
  const own = new RowBlobs(rows);
  if (R2) return [new R2Blobs(R2, rows), own];
  if (BLOBS) return [new DiskBlobs(BLOBS, rows), own];
  return [own];
};
