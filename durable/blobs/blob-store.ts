/** Bytes that a store has, or is to have. */
export interface StoredBlob {
  /** Its own there: bytes of the same digest may be another's too, who deletes them when he likes. */
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Where uploaded blobs and finished models live: one of three, by binding. Their reads are asynchronous, so nothing that a
 * fold reads is here. Conformance: `blob-store.suite.ts`.
 */
export interface BlobStore<Blob extends StoredBlob = StoredBlob> {
  readonly name: BlobStoreName;
  /** Takes a blob, whose digest has been checked. `body` gives its bytes, once. Idempotent. */
  keep(blob: Blob, body: () => ReadableStream): Promise<void>;
  /** Bytes [start, end). Rejects with RangeError where they are gone, with another error where they can't be had now. */
  stream(blob: Blob, start: number, end: number): Promise<ReadableStream>;
  /** Idempotent. */
  delete(blob: Blob): Promise<void>;
}

export type BlobStoreName = 'rows' | 'r2' | 'disk';
