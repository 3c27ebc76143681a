import { createHash } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { OnSend, Sending } from '../../sending.ts';
import { hashOf, headFile, readAudit } from './audit-chain.ts';
import type { AuditEntry, AuditHead, AuditReading } from './audit-chain.ts';

/**
 * A record of every body that leaves a site, a JSON line each, on the disk before the body's first byte is on its way. Lines
 * are chained by hash: `readAudit` sees one that was changed, removed or put in.
 */
export class AuditLog {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #now: () => number;
  #head: AuditHead;
  #seq: number;
  #size: number;
  /** What the file lacks before the next line: the end of a line that a crash cut short. */
  #gap: string;
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle, read: AuditReading, now: () => number) {
    this.#file = file;
    this.#handle = handle;
    this.#now = now;
    this.#head = read.head;
    this.#seq = read.entries;
    this.#size = read.size;
    this.#gap = read.open ? '\n' : '';
  }

  /**
   * Goes on with a record, or begins one, readable by its owner only. Rejects with Error where the record is not as it was
   * written. A line that a crash cut short stays, closed.
   */
  static async open(file: string, now: () => number = Date.now): Promise<AuditLog> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const read = await readAudit(file);
    if (read.faults.length > 0) {
      throw new Error(`${file} is not as it was written; move it aside to begin anew.
  ${read.faults.join('\n  ')}`);
    }
    return new AuditLog(file, await open(file, 'a', 0o600), read, now);
  }

  /** Number and hash of the last line. Whoever keeps them elsewhere can tell if the whole record was made anew. */
  get head(): AuditHead {
    return this.#head;
  }

  /** For `runSite({ audit })`. Rejects where the line can't be written, from then on for every body. */
  readonly record: OnSend = async (sending) => {
    const { bytes, digest } = await measured(sending.body);
    await (this.#last = this.#last.then(() => this.#append(sending, bytes, digest)));
  };

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#handle.close();
  }

  async #append(sending: Sending, bytes: number, digest: string): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size !== this.#size) throw new Error(`${this.#file} was written to by someone else`);
    const { method, url: to, job, task, filters, range } = sending;
    const entry: AuditEntry = {
      seq: this.#seq + 1,
      time: new Date(this.#now()).toISOString(),
      method,
      to,
      ...(job !== undefined && { job }),
      ...(task !== undefined && { task }),
      ...(filters && { filters }),
      ...(range !== undefined && { range }),
      bytes,
      digest,
      previous: this.#head.hash,
    };
    const line = Buffer.from(JSON.stringify(entry));
    const written = Buffer.concat([Buffer.from(this.#gap), line, Buffer.from('\n')]);
    await this.#handle.appendFile(written);
    await this.#handle.datasync();
    this.#gap = '';
    this.#seq = entry.seq;
    this.#size += written.length;
    this.#head = { lines: this.#head.lines + 1, hash: hashOf(line) };
    await this.#note();
  }

  /** After the line: a kill in between leaves an older end, which is in the record too. */
  async #note(): Promise<void> {
    const [place, unfinished] = [headFile(this.#file), `${headFile(this.#file)}.new`];
    const file = await open(unfinished, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(this.#head));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, place);
  }
}

const measured = async (body: Blob | string): Promise<{ bytes: number; digest: string }> => {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of new Blob([body]).stream()) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, digest: `sha256-${hash.digest('hex')}` };
};
