import type { BlobStore, StagedBlob } from './blob-store.ts';
import type { ChunkRows } from './chunk-rows.ts';
import { streamPieces } from './serve-bytes.ts';

const keyOf = ({ digest }: StagedBlob): string => `blobs/${digest}`;

/** Blobs in a Cloudflare R2 bucket, which checks the SHA-256 once more. */
export class R2Blobs implements BlobStore {
  readonly name = 'r2';
  readonly usesRows = false;
  readonly #bucket: R2Bucket;
  readonly #rows: ChunkRows;

  constructor(bucket: R2Bucket, rows: ChunkRows) {
    this.#bucket = bucket;
    this.#rows = rows;
  }

  async keep(blob: StagedBlob): Promise<void> {
    const body = streamPieces(this.#rows.pieces(blob.run, 0, blob.bytes), blob.bytes);
    await this.#bucket.put(keyOf(blob), body, { sha256: blob.digest.slice('sha256-'.length) });
  }

  async stream(blob: StagedBlob, start: number, end: number): Promise<ReadableStream> {
    const range = { offset: start, length: end - start };
    const object = await this.#bucket.get(keyOf(blob), end > start ? { range } : {});
    if (!object) throw new RangeError(`R2 has no ${keyOf(blob)}`);
    return object.body;
  }

  async delete(blob: StagedBlob): Promise<void> {
    await this.#bucket.delete(keyOf(blob));
  }
}
