import type { Kernel } from '../../core/aggregators/kernel.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import { SAFETENSORS } from '../../core/protocol/http.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { parseHeader, PREFIX_BYTES } from '../../core/tensors/header.ts';
import type { Layout } from '../../core/tensors/layout.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { Body } from '../bytes/body.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows, OwnedBytes } from '../bytes/chunk-rows.ts';
import { arrivalFault, digestMismatch } from '../http/content-fault.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';
import { faultResponse } from '../http/fault-response.ts';
import { downloadBudget, serveBytes, streamPieces } from '../http/serve-bytes.ts';
import { readHead, stageData } from '../uploads/upload.ts';

/** SQL of the tables that ModelStore owns (beside CHUNK_TABLES). */
export const MODEL_TABLES: readonly string[] = [
  // A model is two runs: its header (8 bytes and JSON) and its data region, rows counted from the first byte of data.
  `CREATE TABLE IF NOT EXISTS models (
    digest TEXT PRIMARY KEY, head INTEGER NOT NULL, run INTEGER NOT NULL, head_bytes INTEGER NOT NULL,
    bytes INTEGER NOT NULL, delete_at INTEGER) WITHOUT ROWID`,
  'CREATE TABLE IF NOT EXISTS model_names (name TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID',
];

type Row = { digest: string; head: number; run: number; head_bytes: number; bytes: number };

/** Layouts kept parsed: the one being trained, and its predecessor. */
const PARSED = 4;

/** The models of one job, by digest and by name. Immutable; a name moves. */
export class ModelStore {
  readonly #sql: SqlStorage;
  readonly #rows: ChunkRows;
  readonly #kernel: Kernel;
  readonly #layouts = new Map<string, Layout>();
  readonly #downloads = downloadBudget();

  constructor(sql: SqlStorage, rows: ChunkRows, kernel: Kernel) {
    this.#sql = sql;
    this.#rows = rows;
    this.#kernel = kernel;
  }

  #row(digest: string): Row | undefined {
    return this.#sql.exec<Row>('SELECT * FROM models WHERE digest = ?', digest).toArray()[0];
  }

  #known(digest: string): Row {
    const row = this.#row(digest);
    if (!row) throw new RangeError(`no model ${digest}`);
    return row;
  }

  /** Copies a safetensors file into rows, as it is; NaN and infinity are refused. Known already: it is not read. */
  async importModel(digest: string, stream: ReadableStream): Promise<Result<ModelRef, Fault>> {
    const known = this.ref(digest);
    if (known) {
      await stream.cancel();
      return ok(known);
    }
    let run: number | undefined;
    try {
      const source = new Body(stream);
      const head = await readHead(source, LIMITS.headerBytes);
      if (!head.ok) return head;
      const { layout, prefix, json, headBytes, fileBytes } = head.value;
      if (fileBytes > this.#rows.room()) {
        return err({
          reason: 'storage-full',
          detail: `the model of ${fileBytes} bytes does not fit`,
        });
      }
      const hash = sha256().update(prefix).update(json);
      run = this.#rows.begin(layout.dataBytes, 'staged');
      const finite = this.#kernel;
      const data = await stageData(source, head.value, { rows: this.#rows, run, hash, finite });
      if (!data.ok) return data;
      const got = digestOf(hash);
      if (got !== digest) return err(digestMismatch(digest, got));
      const staged = run;
      run = undefined;
      const bytes = new Uint8Array(headBytes);
      bytes.set(prefix);
      bytes.set(json, prefix.length);
      return ok(this.adopt(staged, bytes, digest));
    } catch (error) {
      return err(arrivalFault(error));
    } finally {
      if (run !== undefined) this.#rows.kill(run);
    }
  }

  /** Makes a run that is full, with the header before it, the model `digest`; a model that is there already wins. */
  adopt(run: number, header: Uint8Array, digest: string): ModelRef {
    const known = this.#row(digest);
    if (known) {
      this.#rows.kill(run);
      this.#sql.exec('UPDATE models SET delete_at = NULL WHERE digest = ?', digest);
      return { digest, bytes: known.bytes };
    }
    this.#rows.keep(run);
    const head = this.#rows.begin(header.length, 'kept');
    this.#rows.append(head, header);
    const bytes = header.length + this.#rows.size(run);
    this.#sql.exec(
      'INSERT INTO models (digest, head, run, head_bytes, bytes) VALUES (?, ?, ?, ?, ?)',
      digest,
      head,
      run,
      header.length,
      bytes,
    );
    return { digest, bytes };
  }

  /** Where a model's tensors lie, or null where there is no such model. */
  layout(digest: string): Layout | null {
    const parsed = this.#layouts.get(digest);
    if (parsed) return parsed;
    const row = this.#row(digest);
    if (!row) return null;
    const bytes = this.#rows.read(row.head, PREFIX_BYTES, row.head_bytes - PREFIX_BYTES);
    const layout = parseHeader(bytes, { maxTensors: LIMITS.tensors });
    free(bytes);
    if (!layout.ok) throw new RangeError(`the header of ${digest}: ${layout.error.reason}`);
    for (const oldest of this.#layouts.keys()) {
      if (this.#layouts.size < PARSED) break;
      this.#layouts.delete(oldest);
    }
    this.#layouts.set(digest, layout.value);
    return layout.value;
  }

  /** Bytes of a model's data region, to be freed by the reader. Throws past its end or where there is no such model. */
  read(digest: string, offset: number, length: number): OwnedBytes {
    return this.#rows.read(this.#known(digest).run, offset, length);
  }

  /** The model with this digest. */
  ref(digest: string): ModelRef | null {
    const row = this.#row(digest);
    return row ? { digest, bytes: row.bytes } : null;
  }

  /** The model with this name. */
  byName(name: string): ModelRef | null {
    const [row] = this.#sql.exec<ModelRef & Record<string, SqlStorageValue>>(
      'SELECT digest, bytes FROM model_names JOIN models USING (digest) WHERE name = ?',
      name,
    );
    return row ?? null;
  }

  /** Names a model, which keeps it. Throws where there is no such model. */
  setName(name: string, { digest }: ModelRef): void {
    this.#known(digest);
    this.#sql.exec('INSERT OR REPLACE INTO model_names VALUES (?, ?)', name, digest);
    this.#sql.exec('UPDATE models SET delete_at = NULL WHERE digest = ?', digest);
  }

  /** All names and their models, sorted by name. */
  names(): Record<string, ModelRef> {
    const rows = this.#sql.exec<{ name: string; digest: string; bytes: number }>(
      'SELECT name, digest, bytes FROM model_names JOIN models USING (digest) ORDER BY name',
    );
    return Object.fromEntries(
      rows.toArray().map(({ name, digest, bytes }) => [name, { digest, bytes }]),
    );
  }

  /** Digests of models that have no name and are not retired. */
  loose(): string[] {
    const rows = this.#sql.exec<{ digest: string }>(
      `SELECT digest FROM models
        WHERE delete_at IS NULL AND digest NOT IN (SELECT digest FROM model_names)`,
    );
    return rows.toArray().map(({ digest }) => digest);
  }

  /** Has a model deleted at `deleteAt` (epoch ms), unless a name holds it then. */
  retire(digest: string, deleteAt: number): void {
    this.#sql.exec('UPDATE models SET delete_at = ? WHERE digest = ?', deleteAt, digest);
  }

  /** Forgets retired models that are due (`Infinity`: all); `ChunkRows.sweep` deletes their rows. */
  sweep(now: number): void {
    const due = this.#sql.exec<Row>(
      `DELETE FROM models WHERE delete_at <= ? AND digest NOT IN (SELECT digest FROM model_names)
        RETURNING *`,
      now,
    );
    this.#forget(due);
  }

  /** When the next retired model is due; null: none. */
  nextDue(): number | null {
    const { next } = this.#sql
      .exec<{ next: number | null }>(
        `SELECT min(delete_at) AS next FROM models
          WHERE digest NOT IN (SELECT digest FROM model_names)`,
      )
      .one();
    return next;
  }

  #forget(rows: SqlStorageCursor<Row>): void {
    for (const { digest, head, run } of rows.toArray()) {
      this.#layouts.delete(digest);
      this.#rows.kill(head);
      this.#rows.kill(run);
    }
  }

  /** Has a model's bytes deleted, which are somewhere else by now; it stays known. */
  vacate(digest: string): void {
    const { head, run } = this.#known(digest);
    this.#layouts.delete(digest);
    this.#rows.kill(head);
    this.#rows.kill(run);
  }

  /** Answers GET or HEAD of a model's file (safetensors). */
  async serve(digest: string, request: Request): Promise<Response> {
    const model = this.ref(digest);
    if (!model) return faultResponse({ reason: 'not-found', what: `model ${digest}` });
    const stream = (start: number, end: number): ReadableStream =>
      streamPieces(this.pieces(digest, start, end), end - start, this.#downloads);
    return serveBytes({ ...model, type: SAFETENSORS, stream }, request);
  }

  /** Bytes [start, end) of a model's file. */
  *pieces(digest: string, start: number, end: number): Generator<OwnedBytes> {
    const { head, run, head_bytes: border } = this.#known(digest);
    const headEnd = Math.min(end, border);
    if (start < headEnd) yield* this.#rows.pieces(head, start, headEnd - start);
    const from = Math.max(start, border) - border;
    if (end > border) yield* this.#rows.pieces(run, from, end - border - from);
  }
}
