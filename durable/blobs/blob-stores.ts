import type { BlobStore } from './blob-store.ts';
import { DiskBlobs } from './disk-blobs.ts';
import type { Env } from '../env.ts';
import { R2Blobs } from './r2-blobs.ts';

/**
 * The stores outside of objects that this deployment has, mostly none; what is new goes to the first. The one place that
 * knows the bindings.
 */
export const boundStores = ({ R2, BLOBS }: Pick<Env, 'R2' | 'BLOBS'>): readonly BlobStore[] => [
  ...(R2 ? [new R2Blobs(R2)] : []),
  ...(BLOBS ? [new DiskBlobs(BLOBS)] : []),
];
