import { LIMITS } from '../../core/protocol/limits.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { OwnedBytes } from '../bytes/chunk-rows.ts';

/** Uploads of which a row is kept at once: 16 MiB. More of them in turn would find nothing. */
export const ROWS_KEPT = 16;

/** The last rows read of a few uploads: without it, each of many small tensors would read its whole row again. */
export class RowCache {
  readonly #read: (upload: string, offset: number, length: number) => OwnedBytes;
  readonly #rows = new Map<string, { readonly n: number; readonly bytes: OwnedBytes }>();

  constructor(read: (upload: string, offset: number, length: number) => OwnedBytes) {
    this.#read = read;
  }

  /** Copies bytes from `offset` on of an upload of `size` bytes into `target`. */
  copy(upload: string, size: number, offset: number, target: Uint8Array): void {
    for (let at = 0; at < target.length;) {
      const n = Math.floor((offset + at) / LIMITS.rowBytes);
      const from = (offset + at) % LIMITS.rowBytes;
      const row = this.#row(upload, size, n);
      const piece = row.subarray(from, Math.min(row.length, from + target.length - at));
      target.set(piece, at);
      at += piece.length;
    }
  }

  #row(upload: string, size: number, n: number): OwnedBytes {
    const kept = this.#rows.get(upload);
    if (kept?.n === n) return kept.bytes;
    if (kept) this.#drop(upload);
    else if (this.#rows.size >= ROWS_KEPT) this.#drop(this.#rows.keys().next().value as string);
    const start = n * LIMITS.rowBytes;
    const bytes = this.#read(upload, start, Math.min(LIMITS.rowBytes, size - start));
    this.#rows.set(upload, { n, bytes });
    return bytes;
  }

  #drop(upload: string): void {
    const row = this.#rows.get(upload);
    if (row) free(row.bytes);
    this.#rows.delete(upload);
  }

  /** Frees all. */
  clear(): void {
    for (const upload of this.#rows.keys()) this.#drop(upload);
  }
}
