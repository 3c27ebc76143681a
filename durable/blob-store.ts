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
