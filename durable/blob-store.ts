import type { ChunkRows } from './chunk-rows.ts';
import { DiskBlobs } from './disk-blobs.ts';
import type { Env } from './env.ts';
import { R2Blobs } from './r2-blobs.ts';
import { RowBlobs } from './row-blobs.ts';

/** A blob whose digest has been checked. Its bytes were staged in the run. */
export interface StagedBlob {
  readonly digest: string;
  readonly bytes: number;
  readonly run: number;
}

/** Where uploaded blobs live once they are complete: one of three, by binding. Conformance: `blob-store.suite.ts`. */
export interface BlobStore {
  readonly name: BlobStoreName;
  /** Whether the staged rows are the store; otherwise they go when `keep` resolves. */
  readonly usesRows: boolean;
  /** Takes the staged bytes. Idempotent. */
  keep(blob: StagedBlob): Promise<void>;
  /** Bytes [start, end). Rejects where they are gone. */
  stream(blob: StagedBlob, start: number, end: number): Promise<ReadableStream>;
  /** Idempotent. */
  delete(blob: StagedBlob): Promise<void>;
}

export type BlobStoreName = 'rows' | 'r2' | 'disk';

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
