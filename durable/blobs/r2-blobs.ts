import type { BlobStore, StoredBlob } from './blob-store.ts';

const keyOf = ({ name }: StoredBlob): string => `blobs/${name}`;

/** Blobs in a Cloudflare R2 bucket, which checks the SHA-256 once more. */
export class R2Blobs implements BlobStore {
  readonly name = 'r2';
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async keep(blob: StoredBlob, body: () => ReadableStream): Promise<void> {
    await this.#bucket.put(keyOf(blob), body(), { sha256: blob.digest.slice('sha256-'.length) });
  }

  async stream(blob: StoredBlob, start: number, end: number): Promise<ReadableStream> {
    const range = { offset: start, length: end - start };
    const object = await this.#bucket.get(keyOf(blob), end > start ? { range } : {});
    if (!object) throw new RangeError(`R2 has no ${keyOf(blob)}`);
    return object.body;
  }

  async delete(blob: StoredBlob): Promise<void> {
    await this.#bucket.delete(keyOf(blob));
  }
}
