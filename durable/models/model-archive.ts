import type { ModelRef } from '../../core/protocol/job-status.ts';
import { SAFETENSORS } from '../../core/protocol/http.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Alarms } from '../state/alarms.ts';
import type { BlobStore, BlobStoreName, StoredBlob } from '../blobs/blob-store.ts';
import type { OwnedBytes } from '../bytes/chunk-rows.ts';
import { Body } from '../bytes/body.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';
import { faultResponse } from '../http/fault-response.ts';
import type { JobRecord } from '../state/job-record.ts';
import type { ModelStore } from './model-store.ts';
import { serveBytes, streamPieces } from '../http/serve-bytes.ts';

/** SQL of the table that ModelArchive owns. */
export const ARCHIVE_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS archive (
    digest TEXT PRIMARY KEY, store TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, due INTEGER) WITHOUT ROWID`,
];

/**
 * `owed`: to be copied to the store, where a part or all of it may be; `both`: it is there, and in rows for downloads under
 * way; `there`: its rows are gone.
 */
type State = 'owed' | 'both' | 'there';
type Row = { digest: string; store: BlobStoreName; state: State; attempts: number };

/** A copy that an object died of, or that failed, is tried again after this; each failure doubles it, up to the longest. */
const PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 5 * 60 * 1000;

interface Parts {
  readonly sql: SqlStorage;
  readonly record: JobRecord;
  readonly models: ModelStore;
  readonly alarms: Alarms;
  /** The stores that are bound; models go to the first. Without one they stay in rows. */
  readonly stores: readonly BlobStore[];
}

/** Has a turn write something. */
type Write = (what: (now: number) => void) => void;

/**
 * Moves a finished job's named models to the store that is bound: the turn that ends the job owes them, the alarm copies
 * them and checks each copy by reading it. From then on they are read there; LIMITS.modelGraceMS later, when downloads of
 * the rows are done, the copy is checked once more (a power cut may have taken what a disk hadn't written yet) and the rows
 * go. Each step can be done again, so whoever dies in one just begins it anew. A copy is named by its job: another's with
 * the same bytes is another.
 */
export class ModelArchive {
  readonly #parts: Parts;
  #moving: Promise<void> | null = null;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Owes the named models to the store; in the turn that ends the job. */
  begin(now: number): void {
    const { sql, models, stores } = this.#parts;
    const [store] = stores;
    if (!store) return;
    for (const { digest } of Object.values(models.names())) {
      sql.exec(
        `INSERT OR IGNORE INTO archive (digest, store, state, attempts, due) VALUES (?, ?, 'owed', 0, ?)`,
        digest,
        store.name,
        now,
      );
    }
  }

  nextDue(): number | null {
    return this.#parts.sql.exec<{ due: number | null }>('SELECT min(due) AS due FROM archive').one()
      .due;
  }

  /** The clock was set back: nothing waits until a time that is far away again. */
  clockWentBack(now: number): void {
    this.#parts.sql.exec('UPDATE archive SET due = min(due, ?)', now + LIMITS.modelGraceMS);
  }

  /** What is due. It is put off at the same time: if the object dies of it, it is due again after a pause. */
  take(now: number): readonly Row[] {
    const { sql } = this.#parts;
    const due = sql.exec<Row>('SELECT * FROM archive WHERE due <= ?', now).toArray();
    if (due.length > 0) sql.exec('UPDATE archive SET due = ? WHERE due <= ?', now + PAUSE_MS, now);
    return due;
  }

  /** Does what `take` gave, one after another, unless it is at it already. Never rejects. */
  async move(due: readonly Row[], write: Write): Promise<void> {
    if (this.#moving || this.#closed || due.length === 0) return;
    this.#moving = this.#moveAll(due, write);
    await this.#moving;
    this.#moving = null;
  }

  async #moveAll(due: readonly Row[], write: Write): Promise<void> {
    for (const row of due) {
      try {
        await this.#moveOne(row, write);
      } catch (error) {
        if (this.#closed) return;
        console.warn(`model ${row.digest} is not in ${row.store} yet`, error);
        this.#putOff(row, write);
      }
    }
  }

  /** A failed try, noted. Where even that can't be written, `take` has put it off already, if not for as long. */
  #putOff(row: Row, write: Write): void {
    const pause = Math.min(PAUSE_MS * 2 ** Math.min(row.attempts, 20), LONGEST_PAUSE_MS);
    try {
      write((now) => this.#set(row, { attempts: row.attempts + 1, due: now + pause }));
    } catch (error) {
      console.warn(`the failed copy of model ${row.digest} is not noted`, error);
    }
  }

  async #moveOne(row: Row, write: Write): Promise<void> {
    const store = this.#storeOf(row);
    const blob = this.#blob(row.digest);
    const there = await holds(store, blob);
    if (!there) {
      await store.keep(blob, () => streamPieces(this.#pieces(blob), blob.bytes));
      if (!(await holds(store, blob)))
        throw new Error('the store has other bytes than it was given');
    }
    if (this.#closed) return;
    write((now) => {
      if (row.state === 'both' && there) {
        this.#parts.models.vacate(row.digest);
        this.#parts.alarms.sweepAt(now);
        this.#set(row, { state: 'there', due: null });
      } else this.#set(row, { state: 'both', due: now + LIMITS.modelGraceMS });
    });
  }

  #set({ digest, ...row }: Row, patch: Partial<Row> & { due: number | null }): void {
    const { state, attempts, due } = { ...row, ...patch };
    this.#parts.sql.exec(
      'UPDATE archive SET state = ?, attempts = ?, due = ? WHERE digest = ?',
      state,
      attempts,
      due,
      digest,
    );
  }

  /** The bytes as they are in the rows, until the archive is closed. */
  *#pieces({ digest, bytes }: StoredBlob): Generator<OwnedBytes> {
    for (const piece of this.#parts.models.pieces(digest, 0, bytes)) {
      if (this.#closed) throw new Error('the job is being deleted');
      yield piece;
    }
  }

  #blob(digest: string): StoredBlob {
    const { record, models } = this.#parts;
    const { bytes } = models.ref(digest) as ModelRef;
    return { name: `${record.read().id}.${digest}`, digest, bytes };
  }

  #storeOf({ store }: Row): BlobStore {
    const bound = this.#parts.stores.find(({ name }) => name === store);
    if (!bound) throw new Error(`${store} is not bound`);
    return bound;
  }

  /** Answers GET or HEAD of a model's file, from wherever it is. */
  async serve(digest: string, request: Request): Promise<Response> {
    const { sql, models } = this.#parts;
    const [row] = sql.exec<Row>('SELECT * FROM archive WHERE digest = ?', digest);
    if (!row || row.state === 'owed') return models.serve(digest, request);
    try {
      const store = this.#storeOf(row);
      const blob = this.#blob(digest);
      const stream = (start: number, end: number) => store.stream(blob, start, end);
      return await serveBytes({ ...blob, type: SAFETENSORS, stream }, request);
    } catch (error) {
      if (row.state === 'both') return models.serve(digest, request);
      console.error(`model ${digest} can not be read from ${row.store}`, error);
      const detail = `its store, ${row.store}, can not be read now`;
      return faultResponse({ reason: 'unavailable', detail, retryAfter: 10 });
    }
  }

  /** Deletes all copies. Repeat it until it succeeds; nothing is copied any more. */
  async erase(): Promise<void> {
    this.#closed = true;
    await this.#moving;
    for (const row of this.#parts.sql.exec<Row>('SELECT * FROM archive').toArray()) {
      await this.#storeOf(row).delete(this.#blob(row.digest));
    }
  }
}

/** Whether a store has a blob, right to the last bit. Rejects where it can't be asked. */
const holds = async (store: BlobStore, blob: StoredBlob): Promise<boolean> => {
  const hash = sha256();
  try {
    const body = new Body(await store.stream(blob, 0, blob.bytes));
    // Into one buffer: V8 would collect the pieces too late.
    let buffer = new ArrayBuffer(LIMITS.rowBytes);
    for (let full = true; full;) {
      const row = await body.take(LIMITS.rowBytes, buffer);
      hash.update(row);
      full = row.length === LIMITS.rowBytes;
      buffer = row.buffer;
    }
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
  return digestOf(hash) === blob.digest;
};
