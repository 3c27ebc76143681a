import { LIMITS } from '../../core/protocol/limits.ts';
import type { ByteSource } from '../bytes/body.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows, OwnedBytes } from '../bytes/chunk-rows.ts';

/** A run read as a body. */
export class RunSource implements ByteSource {
  readonly #rows: ChunkRows;
  readonly #run: number;
  readonly #total: number;
  #at = 0;

  constructor(rows: ChunkRows, run: number, total: number) {
    this.#rows = rows;
    this.#run = run;
    this.#total = total;
  }

  async take(length: number, buffer?: ArrayBuffer): Promise<OwnedBytes> {
    const piece = Math.min(length, this.#total - this.#at);
    if (this.#at % LIMITS.foldSliceBytes < length) await scheduler.wait(0); // let others in
    const bytes = new Uint8Array(buffer ?? new ArrayBuffer(piece), 0, piece);
    let filled = 0;
    for (const view of this.#rows.pieces(this.#run, this.#at, piece)) {
      bytes.set(view, filled);
      filled += view.length;
      free(view);
    }
    this.#at += piece;
    return bytes;
  }
}
