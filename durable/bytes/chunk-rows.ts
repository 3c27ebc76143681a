import { LIMITS } from '../../core/protocol/limits.ts';

/** Bytes that own their buffer: whoever receives them may free them with `free`. */
export type OwnedBytes = Uint8Array<ArrayBuffer>;

/** A run's rows have the keys `run * RUN_ROWS + n`: one key, no second index, so a row costs one write. */
const RUN_ROWS = 2 ** 20;

/** SQL of the tables that ChunkRows owns. */
export const CHUNK_TABLES: readonly string[] = [
  // `bytes` is what the run may grow to: reserved when it begins, so that a full job refuses before it stages.
  `CREATE TABLE IF NOT EXISTS chunk_runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, bytes INTEGER NOT NULL, state TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)`,
  // Of all runs that are not dead, kept as they come and go: a round of 5,000 results would add up 5,000 rows for each.
  `CREATE TABLE IF NOT EXISTS chunk_total (one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL)`,
  `INSERT OR IGNORE INTO chunk_total VALUES (1, 0)`,
];

/**
 * Frees bytes now: V8 collects the buffers of SQL BLOBs so late that a fold of 1 GB would hold 1 GB. The view is empty
 * afterwards.
 */
export const free = (bytes: OwnedBytes): void => {
  bytes.buffer.transfer(0);
};

/**
 * Byte strings in rows of 1 MiB ("runs"), the only form in which tensors are stored. A run is written front to back; its
 * row n holds bytes [n MiB, (n + 1) MiB). Every method is synchronous.
 */
export class ChunkRows {
  readonly #sql: SqlStorage;
  readonly #capacity: number;

  constructor(sql: SqlStorage, capacity: number) {
    this.#sql = sql;
    this.#capacity = capacity;
  }

  /**
   * Begins a run of at most `bytes` bytes. One that is `staged` belongs to a request: unless it is kept, it dies with this
   * object (`clearStaged`). -> its id, never used again
   */
  begin(bytes: number, state: 'staged' | 'kept'): number {
    this.#add(bytes);
    return this.#sql
      .exec<{ run: number }>(
        'INSERT INTO chunk_runs (bytes, state) VALUES (?, ?) RETURNING run',
        bytes,
        state,
      )
      .one().run;
  }

  #add(bytes: number): void {
    this.#sql.exec('UPDATE chunk_total SET bytes = bytes + ?', bytes);
  }

  /** The run now belongs to a row of somebody's table (even if another's was just forgotten, in the same transaction). */
  keep(run: number): void {
    const revived = this.#sql.exec<{ bytes: number }>(
      `SELECT bytes FROM chunk_runs WHERE run = ? AND state = 'dead'`,
      run,
    );
    for (const { bytes } of revived.toArray()) this.#add(bytes);
    this.#sql.exec(`UPDATE chunk_runs SET state = 'kept' WHERE run = ?`, run);
  }

  /** Writes row `n` of a run (again, if it was shorter before). Throws RangeError above 1 MiB. */
  put(run: number, n: number, bytes: Uint8Array): void {
    if (bytes.length > LIMITS.rowBytes || bytes.length === 0 || n >= RUN_ROWS) {
      throw new RangeError(`row ${n} of ${bytes.length} bytes; 1 to ${LIMITS.rowBytes}`);
    }
    this.#sql.exec(
      'INSERT OR REPLACE INTO chunks (id, bytes) VALUES (?, ?)',
      run * RUN_ROWS + n,
      bytes,
    );
  }

  /** Appends bytes of any length behind `size(run)`, filling the last row first. */
  append(run: number, bytes: Uint8Array): void {
    let at = this.size(run);
    for (let from = 0; from < bytes.length;) {
      const n = Math.floor(at / LIMITS.rowBytes);
      const used = at % LIMITS.rowBytes;
      const piece = bytes.subarray(from, from + LIMITS.rowBytes - used);
      if (used === 0) this.put(run, n, piece);
      else {
        const row = new Uint8Array(used + piece.length);
        const before = this.row(run, n);
        row.set(before);
        row.set(piece, used);
        free(before);
        this.put(run, n, row);
      }
      from += piece.length;
      at += piece.length;
    }
  }

  /** Bytes written so far. */
  size(run: number): number {
    const [last] = this.#sql.exec<{ id: number; bytes: number }>(
      'SELECT id, length(bytes) AS bytes FROM chunks WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1',
      run * RUN_ROWS,
      (run + 1) * RUN_ROWS,
    );
    return last ? (last.id - run * RUN_ROWS) * LIMITS.rowBytes + last.bytes : 0;
  }

  /** Row `n` of a run. Throws where there is none. */
  row(run: number, n: number): OwnedBytes {
    const [row] = this.#sql.exec<{ bytes: ArrayBuffer }>(
      'SELECT bytes FROM chunks WHERE id = ?',
      run * RUN_ROWS + n,
    );
    if (!row) throw new RangeError(`run ${run} has no row ${n}`);
    return new Uint8Array(row.bytes);
  }

  /** Bytes [offset, offset + length) as one view per row, read as they are asked for. Throws past the end. */
  *pieces(run: number, offset: number, length: number): Generator<OwnedBytes> {
    for (let at = offset; at < offset + length;) {
      const from = at % LIMITS.rowBytes;
      const piece = Math.min(LIMITS.rowBytes - from, offset + length - at);
      yield this.#slice(run, Math.floor(at / LIMITS.rowBytes), from, piece);
      at += piece;
    }
  }

  /** The same in one: a view of the row where one row holds it, else a copy. */
  read(run: number, offset: number, length: number): OwnedBytes {
    const from = offset % LIMITS.rowBytes;
    if (length > 0 && from + length <= LIMITS.rowBytes) {
      return this.#slice(run, Math.floor(offset / LIMITS.rowBytes), from, length);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of this.pieces(run, offset, length)) {
      bytes.set(piece, at);
      at += piece.length;
      free(piece);
    }
    return bytes;
  }

  #slice(run: number, n: number, from: number, length: number): OwnedBytes {
    const row = this.row(run, n);
    if (row.length < from + length) throw new RangeError(`run ${run} ends in row ${n}`);
    return row.subarray(from, from + length);
  }

  /** Marks a run as garbage: `sweep` deletes its rows. */
  kill(run: number): void {
    this.#killed(
      this.#sql.exec<{ bytes: number }>(
        `UPDATE chunk_runs SET state = 'dead' WHERE run = ? AND state != 'dead' RETURNING bytes`,
        run,
      ),
    );
  }

  /** Kills what was staged before this object was constructed: its requests are dead. */
  clearStaged(): void {
    this.#killed(
      this.#sql.exec<{ bytes: number }>(
        `UPDATE chunk_runs SET state = 'dead' WHERE state = 'staged' RETURNING bytes`,
      ),
    );
  }

  #killed(runs: SqlStorageCursor<{ bytes: number }>): void {
    const bytes = runs.toArray().reduce((sum, run) => sum + run.bytes, 0);
    if (bytes > 0) this.#add(-bytes);
  }

  /** Whether some request has a run. */
  staging(): boolean {
    const staged = `SELECT 1 FROM chunk_runs WHERE state = 'staged' LIMIT 1`;
    return this.#sql.exec(staged).toArray().length > 0;
  }

  /** Deletes at most LIMITS.deleteRows rows of dead runs. -> whether more is left */
  sweep(): boolean {
    let budget: number = LIMITS.deleteRows;
    const dead = this.#sql.exec<{ run: number }>(
      `SELECT run FROM chunk_runs WHERE state = 'dead' ORDER BY run LIMIT ?`,
      LIMITS.deleteRows,
    );
    for (const { run } of dead.toArray()) {
      const { rowsWritten } = this.#sql.exec(
        'DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE id >= ? AND id < ? LIMIT ?)',
        run * RUN_ROWS,
        (run + 1) * RUN_ROWS,
        budget,
      );
      budget -= rowsWritten + 1;
      if (budget <= 0) break;
      this.#sql.exec('DELETE FROM chunk_runs WHERE run = ?', run);
    }
    const left = this.#sql.exec(`SELECT 1 FROM chunk_runs WHERE state = 'dead' LIMIT 1`);
    return left.toArray().length > 0;
  }

  /** Bytes that live runs hold or have reserved. */
  held(): number {
    return this.#sql.exec<{ bytes: number }>('SELECT bytes FROM chunk_total').one().bytes;
  }

  /** Whether a run of so many bytes will have room once requests have no more staged. */
  mayFit(bytes: number): boolean {
    const { kept } = this.#sql
      .exec<{ kept: number | null }>(
        `SELECT sum(bytes) AS kept FROM chunk_runs WHERE state = 'kept'`,
      )
      .one();
    return (kept ?? 0) + bytes <= this.#capacity;
  }

  /** Bytes that a new run may have. */
  room(): number {
    return this.#capacity - this.held();
  }
}
