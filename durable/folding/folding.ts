import type { Aggregator } from '../../core/aggregators/aggregator.ts';
import type { Kernel } from '../../core/aggregators/kernel.ts';
import { findAggregator } from '../../core/aggregators/registry.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import type { ModelRef } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { byName } from '../../core/protocol/names.ts';
import { shown } from '../../core/tensors/fault.ts';
import { canonicalHeader } from '../../core/tensors/header.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows } from '../bytes/chunk-rows.ts';
import { digestOf, sha256 } from '../bytes/digest.ts';
import type { Cells } from './fold-cell.ts';
import { foldSlice } from './fold-slice.ts';
import type { FoldFailure, Progress, Work } from './fold-slice.ts';
import { keep } from './keep.ts';
import type { ModelStore } from '../models/model-store.ts';
import type { ResultStore, UploadTable } from '../results/result-store.ts';
import { RowCache } from './row-cache.ts';
import { sameTable } from '../bytes/spans.ts';

/** SQL of the tables that Folding owns (beside CHUNK_TABLES). */
export const FOLD_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS folds (
    task TEXT PRIMARY KEY, base TEXT NOT NULL, params_type TEXT NOT NULL) WITHOUT ROWID`,
  // One model to be made. `cell`: rows done in this pass; `site`: sites added to the next one, their sums in the run `sums`;
  // `plan`: what the aggregator's scan has found.
  `CREATE TABLE IF NOT EXISTS fold_outputs (
    task TEXT NOT NULL, n INTEGER NOT NULL, key TEXT NOT NULL, use TEXT NOT NULL, replies TEXT NOT NULL,
    pass TEXT NOT NULL, cell INTEGER NOT NULL, site INTEGER NOT NULL, sums INTEGER, plan TEXT, run INTEGER,
    digest TEXT, PRIMARY KEY (task, n))`,
];

/** A model to be made of sites' uploads. */
export interface FoldOutput {
  readonly key: string;
  /** An aggregator's name, or `keep`: the one upload as it is. */
  readonly use: string;
  readonly replies: readonly {
    readonly site: string;
    readonly weight: number;
    readonly upload: string;
  }[];
}

export interface FoldRequest {
  /** Digest of the model that the sites received. */
  readonly base: string;
  readonly paramsType: ParamsType;
  readonly outputs: readonly FoldOutput[];
}

/**
 * Where a fold is after a slice. A model is null where there was nothing to fold. `full`: there is no room for what it
 * makes; it goes on where it was once there is.
 */
export type FoldState =
  | { readonly state: 'more' }
  | { readonly state: 'full' }
  | { readonly state: 'done'; readonly models: Readonly<Record<string, ModelRef | null>> }
  | FoldFailure;

interface Parts {
  readonly sql: SqlStorage;
  readonly rows: ChunkRows;
  readonly results: ResultStore;
  readonly models: ModelStore;
  readonly kernel: Kernel;
  /** For tests: another registry, and another slice. */
  readonly find?: (name: string) => Aggregator | undefined;
  readonly sliceBytes?: number;
}

type FoldRow = { base: string; params_type: ParamsType };
type OutputRow = {
  n: number;
  key: string;
  use: string;
  replies: string;
  pass: 'scan' | 'fold' | 'done';
  cell: number;
  site: number;
  sums: number | null;
  plan: string | null;
  run: number | null;
  digest: string | null;
};

/**
 * Makes models of uploads, row by row over the base model's layout, in slices of LIMITS.foldSliceBytes of input: a row of
 * more sites than that is made over several slices, its sums put aside in between (where the aggregator has `batches`;
 * without, a slice is a row of all sites at least). All state is in rows: after an eviction, or a rolled back turn, the
 * next slice goes on, hashing the finished rows again. Sites are taken in byte order of their names: the same uploads give
 * the same bytes.
 */
export class Folding {
  readonly #parts: Parts;
  readonly #find: (name: string) => Aggregator | undefined;
  readonly #sliceBytes: number;
  #work: Work | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#sliceBytes = parts.sliceBytes ?? LIMITS.foldSliceBytes;
    this.#find = (name) => (name === keep.name ? keep : (parts.find ?? findAggregator)(name));
  }

  /** Begins a task's fold. Its uploads must stay until it is done. */
  open(task: string, { base, paramsType, outputs }: FoldRequest): void {
    const { sql } = this.#parts;
    sql.exec('INSERT INTO folds VALUES (?, ?, ?)', task, base, paramsType);
    for (const [n, { key, use, replies }] of outputs.entries()) {
      const sorted = [...replies].sort((a, b) => byName(a.site, b.site));
      const pass = this.#find(use)?.scan ? 'scan' : 'fold';
      sql.exec(
        'INSERT INTO fold_outputs (task, n, key, use, replies, pass, cell, site) VALUES (?, ?, ?, ?, ?, ?, 0, 0)',
        task,
        n,
        key,
        use,
        JSON.stringify(sorted),
        replies.length === 0 ? 'done' : pass,
      );
    }
  }

  /** Folds one slice. Throws where there is no such fold. */
  step(task: string): FoldState {
    let left = this.#sliceBytes;
    for (let output = this.#next(task); output; output = this.#next(task)) {
      if (left <= 0) return { state: 'more' };
      const rest = this.#advance(task, output, left);
      if (typeof rest !== 'number') return rest;
      left = rest;
    }
    return { state: 'done', models: this.#models(task) };
  }

  /** Forgets a fold, and what it has written unless it became a model. */
  drop(task: string): void {
    const { sql, rows } = this.#parts;
    const outputs = sql.exec<Pick<OutputRow, 'run' | 'pass' | 'sums'>>(
      'DELETE FROM fold_outputs WHERE task = ? RETURNING run, pass, sums',
      task,
    );
    for (const { run, pass, sums } of outputs.toArray()) {
      if (run !== null && pass !== 'done') rows.kill(run);
      if (sums !== null) rows.kill(sums);
    }
    sql.exec('DELETE FROM folds WHERE task = ?', task);
    if (this.#work?.task === task) this.#work = undefined;
  }

  #next(task: string): OutputRow | undefined {
    return this.#parts.sql
      .exec<OutputRow>(
        `SELECT * FROM fold_outputs WHERE task = ? AND pass != 'done' ORDER BY n LIMIT 1`,
        task,
      )
      .toArray()[0];
  }

  #models(task: string): Record<string, ModelRef | null> {
    const outputs = this.#parts.sql.exec<{ key: string; digest: string | null }>(
      'SELECT key, digest FROM fold_outputs WHERE task = ? ORDER BY n',
      task,
    );
    return Object.fromEntries(
      outputs
        .toArray()
        .map(({ key, digest }) => [key, digest === null ? null : this.#parts.models.ref(digest)]),
    );
  }

  /** Goes on with one output. -> what is left of the slice, 0 to end it; or how it failed */
  #advance(task: string, output: OutputRow, budget: number): number | FoldState {
    const { sql, rows, models, results } = this.#parts;
    const { n, cell, site, sums, pass } = output;
    const aggregator = this.#find(output.use);
    if (!aggregator) return { state: 'failed', reason: `no aggregator '${shown(output.use)}'` };
    const work = this.#prepare(task, output, aggregator);
    if (!work) return { state: 'full' };
    const { base, inputs, cache } = work.cells;
    const plan = output.plan === null ? null : JSON.parse(output.plan);
    const start = () => aggregator.scan?.start(inputs.map((input) => input.site)) ?? null;
    const progress: Progress = { cell, site, sums, plan: plan ?? start() };
    let left: number | FoldFailure;
    try {
      left = foldSlice(
        { rows, sliceBytes: this.#sliceBytes },
        work,
        pass === 'scan' ? 'scan' : 'fold',
        progress,
        budget,
      );
    } finally {
      cache.clear();
    }
    if (typeof left !== 'number') return left;
    const over = progress.cell * LIMITS.rowBytes >= base.dataBytes;
    const next = !over ? pass : pass === 'scan' ? 'fold' : 'done';
    let digest: string | null = null;
    if (next === 'done') {
      digest = digestOf(work.hash);
      models.adopt(work.run ?? results.take(inputs[0]?.upload ?? ''), work.header, digest);
      this.#work = undefined;
    }
    sql.exec(
      `UPDATE fold_outputs SET pass = ?, cell = ?, site = ?, sums = ?, plan = ?, digest = ?
        WHERE task = ? AND n = ?`,
      next,
      over ? 0 : progress.cell,
      progress.site,
      progress.sums,
      progress.plan === null ? null : JSON.stringify(progress.plan),
      digest,
      task,
      n,
    );
    return left;
  }

  /** What a slice works with: the last slice's, if nothing was rolled back since, or built from rows. Undefined: no room. */
  #prepare(task: string, output: OutputRow, aggregator: Aggregator): Work | undefined {
    const { sql, rows, results, models, kernel } = this.#parts;
    const done = output.pass === 'fold' ? output.cell : 0;
    const kept = this.#work;
    if (
      kept?.task === task &&
      kept.n === output.n &&
      kept.run === output.run &&
      kept.hashed === done
    ) {
      return kept;
    }
    const fold = sql.exec<FoldRow>('SELECT * FROM folds WHERE task = ?', task).one();
    const base = models.layout(fold.base);
    if (!base) throw new RangeError(`the model ${fold.base} is gone`);
    const replies: FoldOutput['replies'] = JSON.parse(output.replies);
    const known = new Map<string, UploadTable>();
    const inputs = replies.map((reply) => {
      const table = results.table(reply.upload, known);
      // The base's very own where its tensors lie at the same places.
      const same = !table.coding && sameTable(table.layout, base);
      return { ...reply, ...table, ...(same && { layout: base }) };
    });
    const adopts = aggregator === keep && inputs[0]?.layout === base;
    if (!adopts && output.run === null && base.dataBytes > rows.room()) return undefined;
    const run = adopts ? null : (output.run ?? rows.begin(base.dataBytes, 'kept'));
    if (run !== output.run) {
      sql.exec('UPDATE fold_outputs SET run = ? WHERE task = ? AND n = ?', run, task, output.n);
    }
    const header = canonicalHeader(base);
    const hash = sha256().update(header);
    const readUpload = results.read.bind(results);
    for (let cell = 0; cell < done; cell++) {
      const from = cell * LIMITS.rowBytes;
      const bytes = Math.min(LIMITS.rowBytes, base.dataBytes - from);
      const row =
        run === null ? readUpload(inputs[0]?.upload ?? '', from, bytes) : rows.row(run, cell);
      hash.update(row);
      free(row);
    }
    const cells: Cells = {
      kernel,
      aggregator,
      paramsType: fold.params_type,
      base,
      inputs,
      readUpload,
      readBase: (offset, length) => models.read(fold.base, offset, length),
      cache: new RowCache(readUpload),
    };
    return (this.#work = { task, n: output.n, run, cells, header, hash, hashed: done });
  }
}
