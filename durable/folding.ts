import type { Hash } from 'node:crypto';
import type { Aggregator } from '../core/aggregators/aggregator.ts';
import type { Kernel } from '../core/aggregators/kernel.ts';
import { findAggregator } from '../core/aggregators/registry.ts';
import type { ParamsType } from '../core/protocol/fl-model.ts';
import type { ModelRef } from '../core/protocol/job-status.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { byName } from '../core/protocol/names.ts';
import { shown } from '../core/tensors/fault.ts';
import { canonicalHeader } from '../core/tensors/header.ts';
import type { Layout } from '../core/tensors/layout.ts';
import { free } from './chunk-rows.ts';
import type { ChunkRows } from './chunk-rows.ts';
import { digestOf, sha256 } from './digest.ts';
import { foldCell, scanCell } from './fold-cell.ts';
import type { Cells } from './fold-cell.ts';
import { keep } from './keep.ts';
import type { ModelStore } from './model-store.ts';
import type { ResultStore } from './result-store.ts';
import { RowCache } from './row-cache.ts';
import { firstNonFinite, sameTable } from './spans.ts';

/** SQL of the tables that Folding owns (beside CHUNK_TABLES). */
export const FOLD_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS folds (
    task TEXT PRIMARY KEY, base TEXT NOT NULL, params_type TEXT NOT NULL, partial INTEGER NOT NULL) WITHOUT ROWID`,
  // One model to be made. `cell`: rows done in this pass; `plan`: what the aggregator's scan has found.
  `CREATE TABLE IF NOT EXISTS fold_outputs (
    task TEXT NOT NULL, n INTEGER NOT NULL, key TEXT NOT NULL, use TEXT NOT NULL, replies TEXT NOT NULL,
    pass TEXT NOT NULL, cell INTEGER NOT NULL, plan TEXT, run INTEGER, digest TEXT, PRIMARY KEY (task, n))`,
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
  readonly partial: boolean;
  readonly outputs: readonly FoldOutput[];
}

/** Where a fold is after a slice. A model is null where there was nothing to fold. */
export type FoldState =
  | { readonly state: 'more' }
  | { readonly state: 'done'; readonly models: Readonly<Record<string, ModelRef | null>> }
  | { readonly state: 'failed'; readonly reason: string; readonly tensor?: string };

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

type FoldRow = { base: string; params_type: ParamsType; partial: number };
type OutputRow = {
  n: number;
  key: string;
  use: string;
  replies: string;
  pass: 'scan' | 'fold' | 'done';
  cell: number;
  plan: string | null;
  run: number | null;
  digest: string | null;
};

/** What a slice has in memory and the next one need not build again. */
interface Work {
  readonly task: string;
  readonly n: number;
  readonly run: number | null;
  readonly cells: Cells;
  readonly header: Uint8Array;
  readonly hash: Hash;
  /** Rows hashed. */
  hashed: number;
}

/**
 * Makes models of uploads, row by row over the base model's layout, in slices of LIMITS.foldSliceBytes of input (one row
 * of all sites at least). All state is in rows: after an eviction, or a rolled back turn, the next slice goes on, hashing
 * the finished rows again. Sites are taken in byte order of their names: the same uploads give the same bytes.
 */
export class Folding {
  readonly #parts: Parts;
  readonly #find: (name: string) => Aggregator | undefined;
  #work: Work | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#find = (name) => (name === keep.name ? keep : (parts.find ?? findAggregator)(name));
  }

  /** Begins a task's fold. Its uploads must stay until it is done. */
  open(task: string, { base, paramsType, partial, outputs }: FoldRequest): void {
    const { sql } = this.#parts;
    sql.exec('INSERT INTO folds VALUES (?, ?, ?, ?)', task, base, paramsType, Number(partial));
    for (const [n, { key, use, replies }] of outputs.entries()) {
      const sorted = [...replies].sort((a, b) => byName(a.site, b.site));
      const pass = this.#find(use)?.scan ? 'scan' : 'fold';
      sql.exec(
        'INSERT INTO fold_outputs (task, n, key, use, replies, pass, cell) VALUES (?, ?, ?, ?, ?, ?, 0)',
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
    for (let budget = this.#parts.sliceBytes ?? LIMITS.foldSliceBytes; budget > 0;) {
      const output = this.#next(task);
      if (!output) return { state: 'done', models: this.#models(task) };
      const spent = this.#advance(task, output, budget);
      if (typeof spent !== 'number') return spent;
      budget -= spent;
    }
    return this.#next(task) ? { state: 'more' } : { state: 'done', models: this.#models(task) };
  }

  /** Forgets a fold, and what it has written unless it became a model. */
  drop(task: string): void {
    const { sql, rows } = this.#parts;
    const outputs = sql.exec<{ run: number | null; pass: string }>(
      'DELETE FROM fold_outputs WHERE task = ? RETURNING run, pass',
      task,
    );
    for (const { run, pass } of outputs.toArray()) {
      if (run !== null && pass !== 'done') rows.kill(run);
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

  /** Goes on with one output. -> bytes of input read, or how it failed */
  #advance(task: string, output: OutputRow, budget: number): number | FoldState {
    const { sql } = this.#parts;
    const aggregator = this.#find(output.use);
    if (!aggregator) return { state: 'failed', reason: `no aggregator '${shown(output.use)}'` };
    const work = this.#prepare(task, output, aggregator);
    if (!work)
      return { state: 'failed', reason: 'the results and models of this job fill its storage' };
    const { base, inputs } = work.cells;
    const count = Math.ceil(base.dataBytes / LIMITS.rowBytes);
    let { cell } = output;
    let plan = output.plan === null ? null : JSON.parse(output.plan);
    if (aggregator.scan && plan === null)
      plan = aggregator.scan.start(inputs.map(({ site }) => site));
    let spent = 0;
    try {
      for (; cell < count && spent < budget; cell++) {
        const from = cell * LIMITS.rowBytes;
        const to = Math.min(from + LIMITS.rowBytes, base.dataBytes);
        spent += (to - from) * inputs.length;
        if (output.pass === 'scan' && aggregator.scan) {
          plan = scanCell(work.cells, aggregator.scan, plan, from, to);
        } else {
          const failure = this.#foldRow(work, plan, cell, from, to);
          if (failure) return failure;
        }
      }
    } finally {
      work.cells.cache.clear();
    }
    const over = cell === count;
    const pass = !over ? output.pass : output.pass === 'scan' ? 'fold' : 'done';
    let digest: string | null = null;
    if (pass === 'done') {
      digest = digestOf(work.hash);
      this.#parts.models.adopt(work.run as number, work.header, digest);
      this.#work = undefined;
    }
    sql.exec(
      'UPDATE fold_outputs SET pass = ?, cell = ?, plan = ?, digest = ? WHERE task = ? AND n = ?',
      pass,
      over ? 0 : cell,
      plan === null ? null : JSON.stringify(plan),
      digest,
      task,
      output.n,
    );
    return Math.max(spent, 1);
  }

  #foldRow(
    work: Work,
    plan: Parameters<typeof foldCell>[1],
    cell: number,
    from: number,
    to: number,
  ): FoldState | undefined {
    const { kernel, rows } = this.#parts;
    const row = foldCell(work.cells, plan, from, to);
    const bad = firstNonFinite(kernel, work.cells.base, from, row);
    if (bad) {
      const tensor = shown(bad.tensor);
      const reason = `the new value of tensor '${tensor}' is NaN or infinite at element ${bad.index}`;
      return { state: 'failed', reason, tensor };
    }
    rows.put(work.run as number, cell, row);
    work.hash.update(row);
    work.hashed = cell + 1;
    free(row);
    return undefined;
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
      kept.run !== null &&
      kept.hashed === done
    ) {
      return kept;
    }
    const fold = sql.exec<FoldRow>('SELECT * FROM folds WHERE task = ?', task).one();
    const base = models.layout(fold.base);
    if (!base) throw new RangeError(`the model ${fold.base} is gone`);
    if (output.run === null && base.dataBytes > rows.room()) return undefined;
    const run = output.run ?? rows.begin(base.dataBytes, 'kept');
    if (output.run === null) {
      sql.exec('UPDATE fold_outputs SET run = ? WHERE task = ? AND n = ?', run, task, output.n);
    }
    const header = canonicalHeader(base);
    const hash = sha256().update(header);
    for (let cell = 0; cell < done; cell++) {
      const row = rows.row(run, cell);
      hash.update(row);
      free(row);
    }
    const readUpload = results.read.bind(results);
    const replies: FoldOutput['replies'] = JSON.parse(output.replies);
    const cells: Cells = {
      kernel,
      aggregator,
      paramsType: fold.params_type,
      partial: fold.partial === 1,
      base,
      inputs: replies.map((reply) => ({ ...reply, layout: layoutIn(results, reply.upload, base) })),
      readUpload,
      readBase: (offset, length) => models.read(fold.base, offset, length),
      cache: new RowCache(readUpload),
    };
    return (this.#work = { task, n: output.n, run, cells, header, hash, hashed: done });
  }
}

/** An upload's layout: the base's very own where its tensors lie at the same places. */
const layoutIn = (results: ResultStore, upload: string, base: Layout): Layout => {
  const layout = results.layout(upload);
  return sameTable(layout, base) ? base : layout;
};
