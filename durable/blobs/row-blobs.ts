import type { BlobStore, StoredBlob } from './blob-store.ts';
import type { ChunkRows } from '../bytes/chunk-rows.ts';
import { downloadBudget, streamPieces } from '../http/serve-bytes.ts';

/** A blob whose bytes were staged in a run of rows. */
export interface StagedBlob extends StoredBlob {
  readonly run: number;
}

/** Blobs in their object's own rows, where they were staged: the default, which needs no other service. */
export class RowBlobs implements BlobStore<StagedBlob> {
  readonly name = 'rows';
  readonly #rows: ChunkRows;
  readonly #downloads = downloadBudget();

  constructor(rows: ChunkRows) {
    this.#rows = rows;
  }

  async keep({ run }: StagedBlob): Promise<void> {
    this.#rows.keep(run);
  }

  async stream({ run, bytes }: StagedBlob, start: number, end: number): Promise<ReadableStream> {
    if (this.#rows.size(run) < bytes) throw new RangeError('the rows of this blob are gone');
    const pieces = this.#rows.pieces(run, start, end - start);
    return streamPieces(pieces, end - start, this.#downloads);
  }

  async delete({ run }: StagedBlob): Promise<void> {
    this.#rows.kill(run);
  }
}
