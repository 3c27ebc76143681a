import type { Hash } from 'node:crypto';
import { filterParcel } from '../../core/filters/chain.ts';
import type { Parcel } from '../../core/filters/chain.ts';
import type { Filter } from '../../core/filters/filter.ts';
import { encodeQuantization } from '../../core/filters/quantization/metadata.ts';
import { QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { encodeHeader } from '../../core/tensors/header.ts';
import { packLayout } from '../../core/tensors/layout.ts';
import type { Layout } from '../../core/tensors/layout.ts';
import type { TaskRequest } from '../../core/workflows/ops.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows, OwnedBytes } from '../bytes/chunk-rows.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';
import type { ModelStore } from '../models/model-store.ts';
import type { JobRecord } from '../state/job-record.ts';
import { said, serverContext, serverFilters } from './server-chain.ts';
import { rowsOf, storedSource } from './stored-tensors.ts';

/** SQL of the table that DataFilter owns (beside CHUNK_TABLES). */
export const FILTER_TABLES: readonly string[] = [
  // What the filters of a task make of a model: `cell` rows of the run are written, `made` is the digest once all are.
  `CREATE TABLE IF NOT EXISTS filtered_models (
    model TEXT NOT NULL, task TEXT NOT NULL, run INTEGER NOT NULL, cell INTEGER NOT NULL, made TEXT,
    PRIMARY KEY (model, task)) WITHOUT ROWID`,
];

/** What goes out to the sites in a task's stead. `more`: the next turn goes on. */
export type Outgoing =
  | { readonly state: 'done'; readonly model: ModelRef | null }
  | { readonly state: 'more' }
  | { readonly state: 'blocked'; readonly reason: string };

interface Parts {
  readonly sql: SqlStorage;
  readonly rows: ChunkRows;
  readonly models: ModelStore;
  readonly record: JobRecord;
  /** For tests: another slice. */
  readonly sliceBytes?: number;
}

type Row = { run: number; cell: number; made: string | null };

/** What a slice has in memory and the next one need not make again. */
interface Work {
  readonly model: string;
  readonly task: string;
  readonly run: number;
  readonly header: Uint8Array;
  readonly rows: Generator<OwnedBytes>;
  readonly hash: Hash;
  /** Bytes of the model read so far. */
  readonly read: () => number;
  cell: number;
}

/**
 * The job's filters at the server on task data. A filtered model is a model of its own, by its digest, made once for each
 * model and task name, in slices of LIMITS.foldSliceBytes read. All state is in rows: after an eviction, or a turn that was
 * rolled back, the next slice goes on, hashing again what is there.
 */
export class DataFilter {
  readonly #parts: Parts;
  #work: Work | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The model that a task's sites get, or how far it is. Throws where there is no room for it. */
  outgoing({ name, model, data }: Pick<TaskRequest, 'name' | 'model' | 'data'>): Outgoing {
    const { record, models } = this.#parts;
    const filters = serverFilters(record.spec(), 'data', name);
    if (filters.length === 0) return { state: 'done', model };
    if (!model) {
      const tensors = { specs: [], read: () => [] };
      const parcel: Parcel = { kind: 'APP_DEFINED', meta: {}, data, tensors };
      const passed = filterParcel(filters, parcel, serverContext(record.spec(), 'data'));
      if (passed.ok) return { state: 'done', model };
      return { state: 'blocked', reason: said(passed.error) };
    }
    const row = this.#row(model.digest, name);
    const made = row?.made ? models.ref(row.made) : null;
    if (made) return { state: 'done', model: made };
    return this.#slice(filters, model, name, data);
  }

  #row(model: string, task: string): Row | undefined {
    return this.#parts.sql
      .exec<Row>('SELECT * FROM filtered_models WHERE model = ? AND task = ?', model, task)
      .toArray()[0];
  }

  #slice(
    filters: readonly Filter[],
    model: ModelRef,
    task: string,
    data: TaskRequest['data'],
  ): Outgoing {
    const { sql, rows, models, sliceBytes = LIMITS.foldSliceBytes } = this.#parts;
    const work = this.#prepare(filters, model, task, data);
    if (typeof work === 'string') return { state: 'blocked', reason: work };
    if (work === null) return { state: 'done', model };
    const start = work.read();
    for (;;) {
      const next = work.rows.next();
      if (next.done) break;
      rows.put(work.run, work.cell, next.value);
      work.hash.update(next.value);
      free(next.value);
      work.cell += 1;
      if (work.read() - start < sliceBytes) continue;
      const more = 'UPDATE filtered_models SET cell = ? WHERE model = ? AND task = ?';
      sql.exec(more, work.cell, model.digest, task);
      return { state: 'more' };
    }
    this.#work = undefined;
    const made = models.adopt(work.run, work.header, digestOf(work.hash));
    const done = 'UPDATE filtered_models SET cell = ?, made = ? WHERE model = ? AND task = ?';
    sql.exec(done, work.cell, made.digest, model.digest, task);
    return { state: 'done', model: made };
  }

  /** What a slice works with; null where the filters leave the model as it is; or why they don't let it pass. */
  #prepare(
    filters: readonly Filter[],
    model: ModelRef,
    task: string,
    data: TaskRequest['data'],
  ): Work | string | null {
    const { rows, record, models } = this.#parts;
    const { digest } = model;
    const row = this.#row(digest, task);
    const kept = this.#work;
    if (kept && kept.model === digest && kept.task === task && kept.run === row?.run) {
      if (kept.cell === row.cell) return kept;
    }
    const base = models.layout(digest);
    if (!base) throw new RangeError(`the model ${digest} is gone`);
    let bytesRead = 0;
    const tensors = storedSource(base, (offset, length) => {
      bytesRead += length;
      return models.read(digest, offset, length);
    });
    const parcel: Parcel = { kind: 'WEIGHTS', meta: {}, data, tensors };
    const filtered = filterParcel(filters, parcel, serverContext(record.spec(), 'data'));
    if (!filtered.ok) return said(filtered.error);
    if (filtered.value.tensors === tensors) return null;
    const { quantization } = filtered.value;
    const layout = packLayout(filtered.value.tensors.specs);
    const header = headerOf(layout, quantization && encodeQuantization(quantization));
    let run = row?.run;
    // A model that was made and is gone by now is made anew.
    if (run === undefined || row?.made) run = this.#begin(digest, task, layout);
    const cell = row?.made ? 0 : (row?.cell ?? 0);
    const hash = sha256().update(header);
    for (let n = 0; n < cell; n++) {
      const before = rows.row(run, n);
      hash.update(before);
      free(before);
    }
    const made = rowsOf(filtered.value.tensors, layout, cell * LIMITS.rowBytes);
    const work = {
      model: digest,
      task,
      run,
      header,
      rows: made,
      hash,
      read: () => bytesRead,
      cell,
    };
    return (this.#work = work);
  }

  #begin(model: string, task: string, layout: Layout): number {
    const { sql, rows } = this.#parts;
    if (layout.dataBytes > rows.room()) throw new Error('no room for the filtered model');
    const run = rows.begin(layout.dataBytes, 'kept');
    const insert =
      'INSERT OR REPLACE INTO filtered_models (model, task, run, cell) VALUES (?, ?, ?, 0)';
    sql.exec(insert, model, task, run);
    return run;
  }

  /** Whether a model is half made: the job goes on without anybody asking. */
  unfinished(): boolean {
    const half = 'SELECT 1 FROM filtered_models WHERE made IS NULL LIMIT 1';
    return this.#parts.sql.exec(half).toArray().length > 0;
  }

  /** Forgets what was made: a round or the job is over. Models stay as long as others need them. */
  forget(): void {
    const { sql, rows } = this.#parts;
    const gone = sql.exec<Row>('DELETE FROM filtered_models RETURNING *');
    for (const { run, made } of gone.toArray()) if (made === null) rows.kill(run);
    this.#work = undefined;
  }
}

const headerOf = ({ entries }: Layout, quantization: string | undefined): Uint8Array =>
  encodeHeader(
    entries,
    new Map(quantization === undefined ? [] : [[QUANTIZATION_KEY, quantization]]),
  );
