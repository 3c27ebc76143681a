import { LIMITS } from '../../core/protocol/limits.ts';
import { BrokenBody } from './broken-body.ts';
import type { OwnedBytes } from './chunk-rows.ts';

/** Bytes that are read in pieces of the reader's choice. */
export interface ByteSource {
  /**
   * The next `length` bytes; fewer only at the end. `buffer`, where given, is reused (it is detached; the result's buffer
   * is its heir), so that a stream of any length takes one piece of memory.
   */
  take(length: number, buffer?: ArrayBuffer): Promise<OwnedBytes>;
}

/** What `drain` holds in memory. */
export const DRAIN_BYTES = 64 * 1024;

/** A request's or a response's body, read with BYOB: 1 MiB a read, where a default reader gives 4 KiB. */
export class Body implements ByteSource {
  #reader: ReadableStreamBYOBReader | undefined;
  #read = 0;

  constructor(stream: ReadableStream<Uint8Array> | null) {
    this.#reader = stream?.getReader({ mode: 'byob' });
  }

  async take(length: number, buffer = new ArrayBuffer(length)): Promise<OwnedBytes> {
    if (!this.#reader || length === 0) return new Uint8Array(0);
    const view = new Uint8Array(buffer, 0, length);
    const { value } = await this.#inTime(this.#reader, this.#reader.readAtLeast(length, view));
    this.#read += value?.length ?? 0;
    return value ?? new Uint8Array(0);
  }

  /** Reads and drops the rest, up to `limit` bytes of the whole body, so that its sender gets to see an answer. */
  async drain(limit: number): Promise<void> {
    try {
      let buffer = new ArrayBuffer(DRAIN_BYTES);
      while (this.#read < limit) {
        const bytes = await this.take(buffer.byteLength, buffer);
        if (bytes.length === 0) return;
        buffer = bytes.buffer;
      }
      await this.#reader?.cancel();
    } catch (error) {
      // The sender is gone or silent: nobody waits for the answer.
      if (!(error instanceof BrokenBody)) throw error;
    }
  }

  async #inTime<T>(reader: ReadableStreamBYOBReader, read: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('it stalled')), LIMITS.uploadStallMS);
    });
    try {
      return await Promise.race([read, stalled]);
    } catch (error) {
      this.#reader = undefined;
      reader.cancel().catch(() => {});
      const why = error instanceof Error ? error.message : String(error);
      throw new BrokenBody(`the body ended before it was complete: ${why}`);
    } finally {
      clearTimeout(timer);
    }
  }
}
