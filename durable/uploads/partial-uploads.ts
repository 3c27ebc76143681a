import type { Fault } from '../../core/protocol/fault.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import type { Body } from '../bytes/body.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows } from '../bytes/chunk-rows.ts';
import { digestMismatch } from '../http/content-fault.ts';
import type { Part } from '../http/content-range.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';

/** SQL of the table that PartialUploads owns. */
export const PARTIAL_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS partials (
    task TEXT NOT NULL, site TEXT NOT NULL, digest TEXT NOT NULL, run INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (task, site, digest)) WITHOUT ROWID`,
];

export interface PartialKey {
  readonly task: string;
  readonly site: string;
  /** Of the whole: what the parts are parts of. */
  readonly digest: string;
}

/** A whole that parts have filled and whose digest is right (`run`), or how many bytes are there. */
export type PartAnswer =
  | { readonly kind: 'whole'; readonly run: number; readonly total: number }
  | { readonly kind: 'partial'; readonly received: number };

/**
 * Bodies that arrive in parts, each beginning at a multiple of 1 MiB, stored as they come. What is there after an abort or
 * an eviction is simply the rows: a sender asks and goes on from there. The newest request for a whole wins; an older one,
 * perhaps of a connection that is dead, stops writing.
 */
export class PartialUploads {
  readonly #sql: SqlStorage;
  readonly #rows: ChunkRows;
  /** The newest request of each whole; losing it only ends requests that died with it. */
  readonly #newest = new Map<string, symbol>();

  constructor(sql: SqlStorage, rows: ChunkRows) {
    this.#sql = sql;
    this.#rows = rows;
  }

  /** Takes one part. `capacity`: bytes that may be stored besides. A whole stays until `drop`. */
  async accept(
    key: PartialKey,
    part: Part,
    body: Body,
    capacity: number,
  ): Promise<Result<PartAnswer, Fault>> {
    const fault = partFault(part);
    if (fault) return err(fault);
    const known = this.#find(key);
    if (known && known.total !== part.total) {
      return err({ reason: 'conflict', detail: `the whole was said to be ${known.total} bytes` });
    }
    if (!known && part.total > capacity) {
      return err({ reason: 'storage-full', detail: `no room for ${part.total} bytes` });
    }
    if (!known && (part.kind === 'ask' || part.start > 0)) {
      if (part.kind === 'ask') return ok({ kind: 'partial', received: 0 });
      return err(wrongStart(part.total, 0));
    }
    const run = known?.run ?? this.#begin(key, part.total);
    const turn = Symbol();
    const name = JSON.stringify([key.task, key.site, key.digest]);
    this.#newest.set(name, turn);
    const newest = (): boolean => this.#newest.get(name) === turn;
    try {
      if (part.kind === 'part') {
        const stored = await this.#store(run, part, body, newest);
        if (!stored.ok) return stored;
      }
      if (!newest()) return err(superseded);
      const there = this.#rows.size(run);
      if (there < part.total) return ok({ kind: 'partial', received: rowStart(there) });
      const digest = await this.#digest(run, part.total, newest);
      if (!digest.ok) return digest;
      if (digest.value === key.digest) return ok({ kind: 'whole', run, total: part.total });
      this.drop(key);
      return err(digestMismatch(key.digest, digest.value));
    } finally {
      if (newest()) this.#newest.delete(name);
    }
  }

  async #store(
    run: number,
    { start, end, total }: Extract<Part, { kind: 'part' }>,
    body: Body,
    newest: () => boolean,
  ): Promise<Result<void, Fault>> {
    const there = rowStart(this.#rows.size(run), total);
    if (start > there) return err(wrongStart(total, there));
    let buffer = new ArrayBuffer(LIMITS.rowBytes);
    for (let at = start; at < end; at += LIMITS.rowBytes) {
      const piece = Math.min(LIMITS.rowBytes, end - at);
      const bytes = await body.take(piece, buffer);
      if (!newest()) return err(superseded);
      if (bytes.length < piece) {
        return err({
          reason: 'malformed',
          detail: `the part ended ${end - at - bytes.length} bytes early`,
        });
      }
      // What is there already may be in use by a reader; it is the same, or the digest will tell.
      if (at >= there) this.#rows.put(run, at / LIMITS.rowBytes, bytes);
      buffer = bytes.buffer;
    }
    if ((await body.take(1)).length === 0) return ok(undefined);
    return err({ reason: 'malformed', detail: `the part is longer than ${end - start} bytes` });
  }

  async #digest(run: number, total: number, newest: () => boolean): Promise<Result<string, Fault>> {
    const hash = sha256();
    for (let at = 0; at < total; at += LIMITS.rowBytes) {
      if (at % LIMITS.foldSliceBytes === 0) await scheduler.wait(0); // let others in
      if (!newest()) return err(superseded);
      const row = this.#rows.row(run, at / LIMITS.rowBytes);
      hash.update(row);
      free(row);
    }
    return ok(digestOf(hash));
  }

  #find({ task, site, digest }: PartialKey): { run: number; total: number } | undefined {
    return this.#sql
      .exec<{ run: number; total: number }>(
        'SELECT run, total FROM partials WHERE task = ? AND site = ? AND digest = ?',
        task,
        site,
        digest,
      )
      .toArray()[0];
  }

  #begin({ task, site, digest }: PartialKey, total: number): number {
    const others = this.#sql
      .exec<{ digest: string }>(
        'SELECT digest FROM partials WHERE task = ? AND site = ? ORDER BY run DESC',
        task,
        site,
      )
      .toArray();
    for (const other of others.slice(LIMITS.partialsKept - 1))
      this.drop({ task, site, digest: other.digest });
    const run = this.#rows.begin(total, 'kept');
    this.#sql.exec('INSERT INTO partials VALUES (?, ?, ?, ?, ?)', task, site, digest, run, total);
    return run;
  }

  /** Forgets one whole, or all of a site's for a task, or of the task, or all. */
  drop(which: Partial<PartialKey> = {}): void {
    const given = KEY.filter((column) => which[column] !== undefined);
    const where = given.map((column) => `${column} = ?`).join(' AND ') || 'TRUE';
    const dropped = this.#sql.exec<{ task: string; site: string; digest: string; run: number }>(
      `DELETE FROM partials WHERE ${where} RETURNING task, site, digest, run`,
      ...given.map((column) => which[column]),
    );
    for (const row of dropped.toArray()) {
      this.#rows.kill(row.run);
      this.#newest.delete(JSON.stringify([row.task, row.site, row.digest]));
    }
  }
}

/** The columns that tell wholes apart, in the order of their index. */
const KEY = ['task', 'site', 'digest'] as const;

const superseded: Fault = { reason: 'conflict', detail: 'a newer request sends this whole' };

/** Where the next part may begin: the last multiple of 1 MiB (below the end) up to which all is there. */
const rowStart = (there: number, total = Infinity): number =>
  Math.floor(Math.min(there, total - 1) / LIMITS.rowBytes) * LIMITS.rowBytes;

const wrongStart = (total: number, there: number): Fault => ({
  reason: 'range-not-satisfiable',
  size: total,
  detail: `the next part begins at byte ${there}`,
});

const partFault = (part: Part): Fault | undefined => {
  if (part.kind === 'ask') return undefined;
  const { start, end, total } = part;
  const detail =
    start % LIMITS.rowBytes !== 0
      ? `a part begins at a multiple of ${LIMITS.rowBytes}`
      : end < total && end % LIMITS.rowBytes !== 0
        ? `a part that isn't the last ends at a multiple of ${LIMITS.rowBytes}`
        : end - start > LIMITS.partBytes
          ? `a part has at most ${LIMITS.partBytes} bytes`
          : undefined;
  return detail === undefined ? undefined : { reason: 'malformed', detail };
};
