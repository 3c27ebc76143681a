import type { BlobStore, StoredBlob } from './blob-store.ts';

const urlOf = ({ name }: StoredBlob): string => `http://blobs/${name}`;

/** Blobs as files, through workerd's disk service (on-prem). It writes to a temporary file and renames. */
export class DiskBlobs implements BlobStore {
  readonly name = 'disk';
  readonly #disk: Fetcher;

  constructor(disk: Fetcher) {
    this.#disk = disk;
  }

  async keep(blob: StoredBlob, body: () => ReadableStream): Promise<void> {
    const { ok, status } = await this.#disk.fetch(urlOf(blob), { method: 'PUT', body: body() });
    if (!ok) throw new Error(`the disk service answered ${status} to PUT`);
  }

  async stream(blob: StoredBlob, start: number, end: number): Promise<ReadableStream> {
    const all = start === 0 && end === blob.bytes;
    const headers: HeadersInit = all ? {} : { range: `bytes=${start}-${end - 1}` };
    const { status, body } = await this.#disk.fetch(urlOf(blob), { headers });
    if (status === (all ? 200 : 206)) return body ?? new Blob([]).stream();
    await body?.cancel();
    const reason = `the disk service answered ${status}`;
    throw status === 404 || status === 416 ? new RangeError(reason) : new Error(reason);
  }

  async delete(blob: StoredBlob): Promise<void> {
    const { ok, status } = await this.#disk.fetch(urlOf(blob), { method: 'DELETE' });
    if (!ok && status !== 404) throw new Error(`the disk service answered ${status} to DELETE`);
  }
}
