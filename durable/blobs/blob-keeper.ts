import type { Fault } from '../../core/protocol/fault.ts';
import { BYTES } from '../../core/protocol/http.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { DIGEST_PATTERN } from '../../core/protocol/names.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { boundStores } from './blob-stores.ts';
import type { BlobStore } from './blob-store.ts';
import { Body } from '../bytes/body.ts';
import { CHUNK_TABLES, ChunkRows } from '../bytes/chunk-rows.ts';
import { arrivalFault, digestMismatch } from '../http/content-fault.ts';
import { parsePart } from '../http/content-range.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';
import type { Env } from '../env.ts';
import { faultResponse } from '../http/fault-response.ts';
import { PARTIAL_TABLES, PartialUploads } from '../uploads/partial-uploads.ts';
import { contentLength, tooLarge } from '../results/result-body.ts';
import { RowBlobs } from './row-blobs.ts';
import type { StagedBlob } from './row-blobs.ts';
import { serveBytes, streamPieces } from '../http/serve-bytes.ts';

const BLOB_TABLES: readonly string[] = [
  ...CHUNK_TABLES,
  ...PARTIAL_TABLES,
  `CREATE TABLE IF NOT EXISTS blob (
    one INTEGER PRIMARY KEY CHECK (one = 1), digest TEXT NOT NULL, bytes INTEGER NOT NULL, run INTEGER NOT NULL,
    store TEXT NOT NULL)`,
  // A blob that nobody held for long enough: it is gone for all, and its store is being told.
  `CREATE TABLE IF NOT EXISTS doomed (
    one INTEGER PRIMARY KEY CHECK (one = 1), digest TEXT NOT NULL, bytes INTEGER NOT NULL, run INTEGER NOT NULL,
    store TEXT NOT NULL)`,
  'CREATE TABLE IF NOT EXISTS holds (job TEXT PRIMARY KEY) WITHOUT ROWID',
  // When the object was last used without a hold; absent until something was written.
  'CREATE TABLE IF NOT EXISTS idle (one INTEGER PRIMARY KEY CHECK (one = 1), since INTEGER NOT NULL)',
];

type Blob = StagedBlob & { readonly store: string };
const BLOB_COLUMNS = 'digest AS name, digest, bytes, run, store';

/** Bytes that an object may hold while several requests send the same blob. */
const CAPACITY = 2 * LIMITS.blobBytes;

/** While something is being brought, the alarm rings this often: an object that died of it wakes and clears up. */
const CLEAR_UP_MS = 10_000;

/** What a BlobObject does. */
export class BlobKeeper {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #rows: ChunkRows;
  readonly #partials: PartialUploads;
  /** New blobs go to the first. */
  readonly #stores: readonly BlobStore<StagedBlob>[];
  readonly #now: () => number;
  /** The deletion of the doomed blob, while it is under way. */
  #burial: Promise<void> | undefined;

  constructor(storage: DurableObjectStorage, env: Pick<Env, 'R2' | 'BLOBS'>, now: () => number) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#rows = new ChunkRows(this.#sql, CAPACITY);
    this.#partials = new PartialUploads(this.#sql, this.#rows);
    this.#stores = [...boundStores(env), new RowBlobs(this.#rows)];
    this.#now = now;
    if (!this.#exists()) return;
    if (this.#holdsNothing()) {
      // A full disk ends the object in the middle. Deleting rows needs room itself and gives a disk none; this does.
      storage.deleteAll().catch((error: unknown) => console.error('a blob object stays', error));
      return;
    }
    this.#rows.clearStaged();
    this.#sweep();
  }

  /** An object that was only asked for has no tables, and costs nothing. */
  #exists(): boolean {
    const tables = this.#sql.exec(`SELECT 1 FROM sqlite_master WHERE name = 'idle'`);
    return tables.toArray().length > 0;
  }

  #create(): void {
    for (const table of BLOB_TABLES) this.#sql.exec(table);
  }

  #blob(): Blob | undefined {
    if (!this.#exists()) return undefined;
    const [row] = this.#sql.exec<Blob & Record<string, SqlStorageValue>>(
      `SELECT ${BLOB_COLUMNS} FROM blob`,
    );
    return row;
  }

  /** Neither a blob nor parts of one: what else there is came with requests that are dead. */
  #holdsNothing(): boolean {
    const some =
      'SELECT 1 FROM blob UNION ALL SELECT 1 FROM doomed UNION ALL SELECT 1 FROM partials';
    return this.#sql.exec(some).toArray().length === 0;
  }

  /** Takes a body, whole or in part: 201 new, 200 there already, 202 part, else a Fault. */
  async put(digest: string, request: Request): Promise<Response> {
    const body = new Body(request.body);
    const taken = await this.#take(digest, request, body).catch((error: unknown) =>
      err(arrivalFault(error)),
    );
    if (this.#exists()) this.#sweep();
    if (taken.ok) return taken.value;
    await body.drain(LIMITS.blobBytes);
    return faultResponse(taken.error);
  }

  async #take(digest: string, request: Request, body: Body): Promise<Result<Response, Fault>> {
    if (!DIGEST_PATTERN.test(digest)) {
      return err({ reason: 'malformed', detail: 'a blob is named sha256- and 64 hex digits' });
    }
    const known = this.#blob();
    if (known) {
      await this.#touch();
      await body.drain(LIMITS.blobBytes);
      return ok(stored(known, 200));
    }
    const range = request.headers.get('content-range');
    const part = range === null ? null : parsePart(range);
    if (range !== null && !part) {
      return err({ reason: 'malformed', detail: 'Content-Range is not bytes a-b/total' });
    }
    const length = part?.total ?? contentLength(request);
    if (length !== null && length > LIMITS.blobBytes)
      return err(tooLarge(LIMITS.blobBytes, length));
    this.#create();
    await this.#touch();
    await this.#storage.setAlarm(this.#now() + CLEAR_UP_MS);
    if (!part) {
      const staged = await this.#stage(digest, body, length);
      return staged.ok ? ok(await this.#commit(staged.value)) : staged;
    }
    const key = { task: '', site: '', digest };
    const answer = await this.#partials.accept(key, part, body, this.#rows.room());
    if (!answer.ok) return answer;
    if (answer.value.kind === 'partial') {
      const { received } = answer.value;
      return ok(Response.json({ status: 'partial', received }, { status: 202 }));
    }
    const { run, total } = answer.value;
    return ok(await this.#commit({ name: digest, digest, run, bytes: total }));
  }

  /** Streams a whole body into rows, hashing it on the way. */
  async #stage(
    digest: string,
    body: Body,
    length: number | null,
  ): Promise<Result<StagedBlob, Fault>> {
    const run = this.#rows.begin(length ?? LIMITS.blobBytes, 'staged');
    const hash = sha256();
    let done = false;
    try {
      let buffer = new ArrayBuffer(LIMITS.rowBytes);
      for (let n = 0, bytes = 0; ; n++) {
        const row = await body.take(LIMITS.rowBytes, buffer);
        bytes += row.length;
        if (bytes > LIMITS.blobBytes) return err(tooLarge(LIMITS.blobBytes, bytes));
        if (row.length > 0) this.#rows.put(run, n, row);
        hash.update(row);
        if (row.length < LIMITS.rowBytes) {
          const got = digestOf(hash);
          if (got !== digest) return err(digestMismatch(digest, got));
          done = true;
          return ok({ name: digest, digest, bytes, run });
        }
        buffer = row.buffer;
      }
    } finally {
      if (!done) this.#rows.kill(run);
    }
  }

  /** Gives staged bytes, whose digest is right, to the store. The first of several at once wins. */
  async #commit(staged: StagedBlob): Promise<Response> {
    const [store] = this.#stores as [BlobStore<StagedBlob>];
    const { run, bytes } = staged;
    await this.#bury(); // it has the same name there
    await store.keep(staged, () => streamPieces(this.#rows.pieces(run, 0, bytes), bytes));
    const known = this.#blob();
    if (known) {
      if (known.run !== staged.run) this.#rows.kill(staged.run);
      return stored(known, 200);
    }
    this.#storage.transactionSync(() => {
      this.#sql.exec(
        'INSERT INTO blob (one, digest, bytes, run, store) VALUES (1, ?, ?, ?, ?)',
        staged.digest,
        staged.bytes,
        staged.run,
        store.name,
      );
      // The parts, if it came in parts, are the blob now; what others were sending is of no use.
      this.#partials.drop();
      this.#rows.keep(staged.run);
      if (store.name !== 'rows') this.#rows.kill(staged.run);
    });
    await this.#touch();
    return stored(staged, 201);
  }

  #storeOf({ store }: Blob): BlobStore<StagedBlob> | undefined {
    return this.#stores.find(({ name }) => name === store);
  }

  /** Answers GET or HEAD. */
  async get(request: Request): Promise<Response> {
    const blob = this.#blob();
    if (!blob) return faultResponse({ reason: 'not-found', what: 'blob' });
    const store = this.#storeOf(blob);
    if (!store) {
      const detail = `this blob is in ${blob.store}, which is not bound`;
      return faultResponse({ reason: 'unavailable', detail, retryAfter: 60 });
    }
    const { digest, bytes } = blob;
    const stream = (start: number, end: number) => store.stream(blob, start, end);
    return serveBytes({ digest, bytes, type: BYTES, stream }, request);
  }

  stat(): { bytes: number } | null {
    const blob = this.#blob();
    return blob ? { bytes: blob.bytes } : null;
  }

  async head(maxBytes: number): Promise<Uint8Array | null> {
    const blob = this.#blob();
    const store = blob && this.#storeOf(blob);
    if (!blob || !store) return null;
    const length = Math.min(maxBytes, blob.bytes);
    if (length === 0) return new Uint8Array(0);
    return new Uint8Array(await new Response(await store.stream(blob, 0, length)).arrayBuffer());
  }

  async hold(job: string): Promise<boolean> {
    if (!this.#blob()) return false;
    this.#sql.exec('INSERT OR IGNORE INTO holds (job) VALUES (?)', job);
    return true;
  }

  async release(job: string): Promise<void> {
    if (!this.#exists()) return;
    const { rowsWritten } = this.#sql.exec('DELETE FROM holds WHERE job = ?', job);
    if (rowsWritten > 0) await this.#touch();
  }

  #held(): boolean {
    return this.#sql.exec('SELECT 1 FROM holds LIMIT 1').toArray().length > 0;
  }

  /** Begins the time without holds anew. */
  async #touch(): Promise<void> {
    const now = this.#now();
    this.#sql.exec('INSERT OR REPLACE INTO idle (one, since) VALUES (1, ?)', now);
    await this.#storage.setAlarm(now + LIMITS.blobGraceMS);
  }

  /** Deletes the blob, or what there is of it, if nobody has held it for LIMITS.blobGraceMS. */
  async alarm(): Promise<void> {
    if (!this.#exists() || this.#held()) return;
    const [idle] = this.#sql.exec<{ since: number }>('SELECT since FROM idle');
    const due = (idle?.since ?? 0) + LIMITS.blobGraceMS;
    if (due > this.#now()) {
      return this.#storage.setAlarm(this.#rows.staging() ? this.#now() + CLEAR_UP_MS : due);
    }
    this.#create();
    const blob = this.#blob();
    const store = blob && this.#storeOf(blob);
    // A store that isn't bound now keeps its bytes: forgetting them would leave them there for ever.
    if (blob && !store) return this.#touch();
    this.#storage.transactionSync(() => {
      this.#sql.exec('INSERT OR IGNORE INTO doomed SELECT * FROM blob');
      this.#sql.exec('DELETE FROM blob');
    });
    await this.#bury();
    // Somebody may be bringing it again meanwhile.
    const [now] = this.#sql.exec<{ since: number }>('SELECT since FROM idle');
    if (now?.since === idle?.since) await this.#storage.deleteAll();
  }

  /** Has the doomed blob deleted where it is stored, if there is one. */
  #bury(): Promise<void> {
    return (this.#burial ??= this.#deleteDoomed().finally(() => (this.#burial = undefined)));
  }

  async #deleteDoomed(): Promise<void> {
    const [doomed] = this.#sql.exec<Blob & Record<string, SqlStorageValue>>(
      `SELECT ${BLOB_COLUMNS} FROM doomed`,
    );
    if (!doomed) return;
    await this.#storeOf(doomed)?.delete(doomed);
    this.#sql.exec('DELETE FROM doomed');
  }

  /** Deletes garbage, a slice at a time, letting requests in between. */
  #sweep(): void {
    if (this.#rows.sweep()) setTimeout(() => this.#exists() && this.#sweep(), 0);
  }
}

const stored = ({ digest, bytes }: StagedBlob, status: number): Response =>
  Response.json({ digest, bytes }, { status });
