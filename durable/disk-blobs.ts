import type { BlobStore, StagedBlob } from './blob-store.ts';
import type { ChunkRows } from './chunk-rows.ts';
import { streamPieces } from './serve-bytes.ts';

const urlOf = ({ digest }: StagedBlob): string => `http://blobs/${digest}`;

/** Blobs as files, through workerd's disk service (on-prem). It writes to a temporary file and renames. */
export class DiskBlobs implements BlobStore {
  readonly name = 'disk';
  readonly usesRows = false;
  readonly #disk: Fetcher;
  readonly #rows: ChunkRows;

  constructor(disk: Fetcher, rows: ChunkRows) {
    this.#disk = disk;
    this.#rows = rows;
  }

  async keep(blob: StagedBlob): Promise<void> {
    const body = streamPieces(this.#rows.pieces(blob.run, 0, blob.bytes), blob.bytes);
    const { ok, status } = await this.#disk.fetch(urlOf(blob), { method: 'PUT', body });
    if (!ok) throw new Error(`the disk service answered ${status} to PUT`);
  }

  async stream(blob: StagedBlob, start: number, end: number): Promise<ReadableStream> {
    const all = start === 0 && end === blob.bytes;
    const headers: HeadersInit = all ? {} : { range: `bytes=${start}-${end - 1}` };
    const { status, body } = await this.#disk.fetch(urlOf(blob), { headers });
    if (status !== (all ? 200 : 206)) throw new RangeError(`the disk service answered ${status}`);
    return body ?? new Blob([]).stream();
  }

  async delete(blob: StagedBlob): Promise<void> {
    const { ok, status } = await this.#disk.fetch(urlOf(blob), { method: 'DELETE' });
    if (!ok && status !== 404) throw new Error(`the disk service answered ${status} to DELETE`);
  }
}
