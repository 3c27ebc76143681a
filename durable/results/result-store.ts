import type { Kernel } from '../../core/aggregators/kernel.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import {
  decodeQuantization,
  encodeQuantization,
} from '../../core/filters/quantization/metadata.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import { encodeHeader, parseHeader, PREFIX_BYTES } from '../../core/tensors/header.ts';
import type { Layout } from '../../core/tensors/layout.ts';
import type { Result } from '../../core/tensors/result.ts';
import { CHUNK_TABLES, free } from '../bytes/chunk-rows.ts';
import type { ChunkRows, OwnedBytes } from '../bytes/chunk-rows.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';
import { PARTIAL_TABLES, PartialUploads } from '../uploads/partial-uploads.ts';
import { codingOf } from './coding.ts';
import type { ResultRule } from './reply-header.ts';
import type { Received } from './result-body.ts';
import { ResultIntake } from './result-intake.ts';
import type { ResultKey, Table } from './result-intake.ts';

export type { Received } from './result-body.ts';

/** SQL of the tables that ResultStore owns (CHUNK_TABLES included). */
export const RESULT_TABLES: readonly string[] = [
  // An upload's id is its run. Its layout is a model's (`layout_of`) or its own, in the run `head`.
  `CREATE TABLE IF NOT EXISTS uploads (
    run INTEGER PRIMARY KEY, task TEXT NOT NULL, site TEXT NOT NULL, layout_of TEXT, head INTEGER,
    committed INTEGER NOT NULL DEFAULT 0)`,
  ...CHUNK_TABLES,
  ...PARTIAL_TABLES,
];

interface Parts {
  readonly sql: SqlStorage;
  readonly rows: ChunkRows;
  readonly kernel: Kernel;
  /** Layout of a model of this job. */
  readonly layoutOf: (digest: string) => Layout | null;
}

type Row = {
  run: number;
  task: string;
  site: string;
  layout_of: string | null;
  head: number | null;
};

/** An upload's table, as it was kept. */
export type UploadTable = Omit<Table, 'layoutOf'>;

const parsedTable = (json: Uint8Array, upload: string): UploadTable => {
  const layout = parseHeader(json, { maxTensors: LIMITS.tensors });
  if (!layout.ok) throw new RangeError(`the header of upload ${upload}: ${layout.error.reason}`);
  const text = layout.value.metadata.get(QUANTIZATION_KEY);
  if (text === undefined) return { layout: layout.value, coding: undefined };
  const quantization = decodeQuantization(text);
  if (!quantization.ok) throw new RangeError(`the quantization of upload ${upload}`);
  return { layout: layout.value, coding: codingOf(quantization.value) };
};

/**
 * Results of sites, from the socket to the fold. `receive` stages a body under an id of its own, whoever else sends one for
 * the same task and site; `commit`, in the turn that accepts it, makes it one of the task's; until then it is nobody's.
 */
export class ResultStore {
  readonly #parts: Parts;
  readonly #rows: ChunkRows;
  readonly #sql: SqlStorage;
  readonly #partials: PartialUploads;
  readonly #intake: ResultIntake;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rows = parts.rows;
    this.#sql = parts.sql;
    this.#partials = new PartialUploads(parts.sql, parts.rows);
    this.#intake = new ResultIntake({
      ...parts,
      partials: this.#partials,
      begin: (key, table) => this.begin(key, table),
      drop: (upload) => this.drop(upload),
    });
  }

  /**
   * Reads, checks and stages one body. A refused body is read to its end (up to the size limit) and leaves nothing; only
   * parts that arrived stay where there was no room for the whole.
   */
  receive(request: Request, key: ResultKey, rule: ResultRule): Promise<Result<Received, Fault>> {
    return this.#intake.receive(request, key, rule);
  }

  /** Begins an upload that is nobody's until `commit`. -> its id */
  begin({ task, site }: ResultKey, { layout, layoutOf, coding }: Table): string {
    const run = this.#rows.begin(layout.dataBytes, 'staged');
    let head: number | null = null;
    if (layoutOf === null) {
      const said = coding && [[QUANTIZATION_KEY, encodeQuantization(coding.quantization)] as const];
      const bytes = encodeHeader(layout.entries, new Map(said));
      head = this.#rows.begin(bytes.length, 'staged');
      this.#rows.append(head, bytes);
    }
    this.#sql.exec(
      'INSERT INTO uploads (run, task, site, layout_of, head) VALUES (?, ?, ?, ?, ?)',
      run,
      task,
      site,
      layoutOf,
      head,
    );
    return String(run);
  }

  /** Writes row `n` of an upload's data region. */
  put(upload: string, n: number, bytes: Uint8Array): void {
    this.#rows.put(Number(upload), n, bytes);
  }

  /** Whether there is such an upload (still). */
  has(upload: string): boolean {
    const rows = this.#sql.exec('SELECT 1 FROM uploads WHERE run = ?', Number(upload));
    return rows.toArray().length > 0;
  }

  /** Bytes that a new upload may have. */
  room(): number {
    return this.#rows.room();
  }

  #row(upload: string): Row {
    const [row] = this.#sql.exec<Row>('SELECT * FROM uploads WHERE run = ?', Number(upload));
    if (!row) throw new RangeError(`no upload ${upload}`);
    return row;
  }

  /** Makes a staged upload the task's, for good. Its parts are no longer needed. */
  commit(upload: string, task: string, site: string): void {
    const row = this.#row(upload);
    if (row.task !== task || row.site !== site) {
      throw new RangeError(`upload ${upload} is not ${site}'s for ${task}`);
    }
    this.#sql.exec('UPDATE uploads SET committed = 1 WHERE run = ?', row.run);
    this.#rows.keep(row.run);
    if (row.head !== null) this.#rows.keep(row.head);
    this.#partials.drop({ task, site });
    this.#intake.over({ task, site });
  }

  /** Forgets an upload that lost. */
  drop(upload: string): void {
    this.#forget(
      this.#sql.exec<Row>('DELETE FROM uploads WHERE run = ? RETURNING *', Number(upload)),
    );
  }

  /** Lets go of an upload whose bytes somebody else keeps from now on. -> the run of its data region */
  take(upload: string): number {
    const { run, head } = this.#row(upload);
    if (head !== null) this.#rows.kill(head);
    this.#sql.exec('DELETE FROM uploads WHERE run = ?', run);
    return run;
  }

  #forget(rows: SqlStorageCursor<Row>): void {
    for (const { run, head } of rows.toArray()) {
      this.#rows.kill(run);
      if (head !== null) this.#rows.kill(head);
    }
  }

  /** Bytes of an upload's data region, to be freed by the reader. Throws past its end. */
  read(upload: string, offset: number, length: number): OwnedBytes {
    return this.#rows.read(Number(upload), offset, length);
  }

  /**
   * Where an upload's tensors lie, and how they are coded. `known`: those of others by their header's digest, for thousands of sites
   * send the same one. Throws where there is no such upload.
   */
  table(upload: string, known = new Map<string, UploadTable>()): UploadTable {
    const { layout_of, head } = this.#row(upload);
    if (head === null) {
      const layout = layout_of === null ? null : this.#parts.layoutOf(layout_of);
      if (!layout) throw new RangeError(`the layout of upload ${upload}, ${layout_of}, is gone`);
      return { layout, coding: undefined };
    }
    const bytes = this.#rows.read(head, 0, this.#rows.size(head));
    const json = bytes.subarray(PREFIX_BYTES);
    const digest = digestOf(sha256().update(json));
    const table = known.get(digest) ?? parsedTable(json, upload);
    free(bytes);
    known.set(digest, table);
    return table;
  }

  /** Forgets uploads that were never committed: to be called as the object is constructed, when their requests are dead. */
  clearDead(): void {
    this.#sql.exec('DELETE FROM uploads WHERE committed = 0');
    this.#rows.clearStaged();
  }

  /** Forgets all uploads for a task: it is folded, or over. `sweep` deletes their rows. */
  release(task: string): void {
    this.#intake.over({ task });
    this.#forget(this.#sql.exec<Row>('DELETE FROM uploads WHERE task = ? RETURNING *', task));
    this.#partials.drop({ task });
  }

  /** Deletes some rows of what is forgotten. -> whether more is left */
  sweep(): boolean {
    return this.#rows.sweep();
  }
}
