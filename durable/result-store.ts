import type { Kernel } from '../core/aggregators/kernel.ts';
import type { Fault } from '../core/protocol/fault.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { canonicalHeader, headerBound, parseHeader, PREFIX_BYTES } from '../core/tensors/header.ts';
import { matchLayout } from '../core/tensors/layout.ts';
import type { Layout } from '../core/tensors/layout.ts';
import { err, ok } from '../core/tensors/result.ts';
import type { Result } from '../core/tensors/result.ts';
import { Body } from './body.ts';
import type { ByteSource } from './body.ts';
import { ByteBudget } from './byte-budget.ts';
import { CHUNK_TABLES, free } from './chunk-rows.ts';
import type { ChunkRows, OwnedBytes } from './chunk-rows.ts';
import { arrivalFault, digestMismatch, tensorProblem } from './content-fault.ts';
import { parsePart } from './content-range.ts';
import { digestOf, reprDigest, sha256 } from './digest.ts';
import { PARTIAL_TABLES, PartialUploads, RunSource } from './partial-uploads.ts';
import { failed } from './reply-header.ts';
import type { ResultRule } from './reply-header.ts';
import {
  contentLength,
  formatOf,
  mediaType,
  readJson,
  readReply,
  skipData,
  tooLarge,
} from './result-body.ts';
import type { Format, Received } from './result-body.ts';
import { sameTable } from './spans.ts';
import { checkLength, readHead, stageData } from './upload.ts';

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

/** Whose result. */
export interface ResultKey {
  readonly task: string;
  readonly site: string;
}

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

/** Why an upload ended before its body did: what it is for is over, or the site sends it again. */
type Ended = 'over' | 'newer';

interface Upload extends ResultKey {
  readonly part: boolean;
  ended: Ended | null;
}

/** One body and what is known before it is read. */
interface Job {
  readonly key: ResultKey;
  readonly rule: ResultRule;
  readonly length: number | null;
  readonly headLimit: number;
  readonly upload: Upload;
  /** Gives back the memory that the header took. */
  readonly headDone: () => void;
}

/** A header in memory, in times its bytes: the bytes, their text, and a table of entries. */
const HEAD_COST = 4;
/** For metadata of the sender's, and padding. */
const HEAD_SLACK = 4096;

const endedAs = (why: Ended): Result<Received, Fault> =>
  why === 'over'
    ? ok({ kind: 'over' })
    : err({ reason: 'conflict', detail: 'newer requests send this result' });

/**
 * Results of sites, from the socket to the fold. `receive` stages a body under an id of its own, whoever else sends one for
 * the same task and site; `commit`, in the turn that accepts it, makes it one of the task's; until then it is nobody's.
 */
export class ResultStore {
  readonly #parts: Parts;
  readonly #rows: ChunkRows;
  readonly #sql: SqlStorage;
  readonly #partials: PartialUploads;
  readonly #buffers = new ByteBudget(LIMITS.uploadBufferBytes);
  /** Uploads under way, oldest first; their requests die with this object. */
  readonly #underWay = new Set<Upload>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rows = parts.rows;
    this.#sql = parts.sql;
    this.#partials = new PartialUploads(parts.sql, parts.rows);
  }

  /**
   * Reads, checks and stages one body. A refused body is read to its end (up to the size limit) and leaves nothing; only
   * parts that arrived stay where there was no room for the whole.
   */
  async receive(
    request: Request,
    key: ResultKey,
    rule: ResultRule,
  ): Promise<Result<Received, Fault>> {
    const length = contentLength(request);
    const row = Math.min(length ?? LIMITS.rowBytes, LIMITS.rowBytes);
    const body = new Body(request.body);
    const format = formatOf(request.headers);
    const headLimit = format === 'safetensors' ? this.#headLimit(rule) : 0;
    const most = Math.min(row + HEAD_COST * headLimit, LIMITS.uploadBufferBytes);
    return this.#buffers.with(most, async (keep) => {
      const upload = this.#start(key, request.headers.has('content-range'));
      const job: Job = { key, rule, length, headLimit, upload, headDone: () => keep(row) };
      let answer: Result<Received, Fault>;
      try {
        answer = await this.#read(request.headers, format, body, job);
      } catch (error) {
        // What it was writing or reading went with its task.
        answer = upload.ended === null ? err(arrivalFault(error)) : endedAs(upload.ended);
      } finally {
        this.#underWay.delete(upload);
      }
      if (!answer.ok || answer.value.kind === 'over') await body.drain(rule.maxBytes);
      return answer;
    });
  }

  /** The longest header that a result may have: the model's tensors in any spelling, and an FLModel. */
  #headLimit({ layoutOf, tensors }: ResultRule): number {
    if (layoutOf === null && tensors !== 'forbidden') return LIMITS.headerBytes;
    const base = layoutOf === null ? null : this.#parts.layoutOf(layoutOf);
    const names = base ? headerBound(base) : 0;
    return Math.min(LIMITS.headerBytes, names + 2 * LIMITS.replyJsonBytes + HEAD_SLACK);
  }

  /** One more upload of this result; of too many whole ones at once, the oldest ends. Parts see to that themselves. */
  #start({ task, site }: ResultKey, part: boolean): Upload {
    const upload: Upload = { task, site, part, ended: null };
    const same = part
      ? []
      : [...this.#underWay].filter(
          (other) => other.task === task && other.site === site && !other.part,
        );
    for (const older of same.slice(0, 1 - LIMITS.uploadsPerResult)) this.#end(older, 'newer');
    this.#underWay.add(upload);
    return upload;
  }

  #end(upload: Upload, why: Ended): void {
    upload.ended ??= why;
    this.#underWay.delete(upload);
  }

  async #read(
    headers: Headers,
    format: Format | null,
    body: Body,
    job: Job,
  ): Promise<Result<Received, Fault>> {
    const type = headers.get('content-type') ?? '';
    const encoding = headers.get('content-encoding');
    if (format === null) return err(mediaType(encoding === null ? type : `${type}; ${encoding}`));
    const { rule, length } = job;
    if (format === 'json') return readJson(body, rule, length);
    const digest = reprDigest(headers.get('repr-digest'));
    const range = headers.get('content-range');
    if (range !== null) return this.#readPart(body, range, digest, job);
    if (length !== null && length > rule.maxBytes) return err(tooLarge(rule.maxBytes, length));
    return this.#stage(body, job, { digest, verify: digest !== null });
  }

  async #readPart(
    body: Body,
    range: string,
    digest: string | null,
    job: Job,
  ): Promise<Result<Received, Fault>> {
    const { key, rule, upload } = job;
    const part = parsePart(range);
    if (!part) return err({ reason: 'malformed', detail: 'Content-Range is not bytes a-b/total' });
    if (digest === null) {
      return err({
        reason: 'malformed',
        detail: 'a part needs Repr-Digest: sha-256=:...: of the whole',
      });
    }
    if (part.total > rule.maxBytes) return err(tooLarge(rule.maxBytes, part.total));
    const whole = { ...key, digest };
    const answer = await this.#partials.accept(whole, part, body, this.#rows.room());
    if (upload.ended !== null) return endedAs(upload.ended);
    if (!answer.ok) return answer;
    if (answer.value.kind === 'partial') return ok(answer.value);
    const { run, total } = answer.value;
    const source = new RunSource(this.#rows, run, total);
    const staged = await this.#stage(
      source,
      { ...job, length: total },
      { digest, verify: false },
    );
    // A whole that is no good goes. One that is stays until `commit`, and while there is no room to stage it: a crash, or a
    // full disk, costs its sender no more than a question.
    if (!staged.ok && staged.error.reason !== 'storage-full') {
      this.#partials.drop(whole);
      this.#rows.sweep();
    }
    return staged;
  }

  async #stage(
    source: ByteSource,
    { key, rule, length, headLimit, upload: work, headDone }: Job,
    { digest, verify }: { readonly digest: string | null; readonly verify: boolean },
  ): Promise<Result<Received, Fault>> {
    const head = await readHead(source, headLimit);
    if (!head.ok) return head;
    const { layout, prefix, json, headBytes, fileBytes } = head.value;
    if (fileBytes > rule.maxBytes) return err(tooLarge(rule.maxBytes, fileBytes));
    const header = readReply(head.value, rule);
    if (!header.ok) return header;
    const fits = checkLength(head.value, length);
    if (!fits.ok) return fits;
    const staged = (upload: string | null): Result<Received, Fault> =>
      ok({ kind: 'staged', upload, header: header.value, bytes: fileBytes, digest });
    if (layout.entries.length === 0 || failed(header.value)) {
      const skipped = await skipData(source, head.value);
      return skipped.ok ? staged(null) : skipped;
    }
    const base = rule.layoutOf === null ? null : this.#parts.layoutOf(rule.layoutOf);
    if (base) {
      const match = matchLayout(base, layout, { partial: rule.partial });
      if (!match.ok) return err(tensorProblem(match.error));
    } else if (rule.layoutOf !== null) {
      return err({ reason: 'internal', detail: `the model ${rule.layoutOf} is gone` });
    }
    if (work.ended !== null) return endedAs(work.ended);
    if (layout.dataBytes > this.#rows.room()) {
      return err({
        reason: 'storage-full',
        detail: 'the results and models of this job fill its storage',
      });
    }
    const same = base !== null && sameTable(base, layout);
    const upload = this.#begin(key, layout, same ? rule.layoutOf : null);
    const hash = verify ? sha256().update(prefix).update(json) : undefined;
    free(json);
    // From here on a row is all that this upload holds, unless it has a table of its own.
    if (same) headDone();
    let done = false;
    try {
      const data = await stageData(
        source,
        { layout: same ? base : layout, headBytes, fileBytes },
        {
          rows: this.#rows,
          run: Number(upload),
          finite: this.#parts.kernel,
          ...(hash && { hash }),
          cancelled: () => work.ended !== null,
        },
      );
      if (!data.ok) return data;
      if (work.ended !== null) return endedAs(work.ended);
      const got = hash ? digestOf(hash) : digest;
      if (digest !== null && got !== digest) return err(digestMismatch(digest, String(got)));
      done = true;
      return staged(upload);
    } finally {
      if (!done) {
        this.drop(upload);
        this.#rows.sweep(); // whoever sends garbage again and again must not fill the disk with it
      }
    }
  }

  #begin({ task, site }: ResultKey, layout: Layout, layoutOf: string | null): string {
    const run = this.#rows.begin(layout.dataBytes, 'staged');
    let head: number | null = null;
    if (layoutOf === null) {
      const bytes = canonicalHeader(layout);
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
    for (const other of this.#underWay) {
      if (other.task === task && other.site === site) this.#end(other, 'over');
    }
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

  /** Where an upload's tensors lie. Throws where there is no such upload. */
  layout(upload: string): Layout {
    const { layout_of, head } = this.#row(upload);
    if (head === null) {
      const layout = layout_of === null ? null : this.#parts.layoutOf(layout_of);
      if (!layout) throw new RangeError(`the layout of upload ${upload}, ${layout_of}, is gone`);
      return layout;
    }
    const bytes = this.#rows.read(head, 0, this.#rows.size(head));
    const layout = parseHeader(bytes.subarray(PREFIX_BYTES), { maxTensors: LIMITS.tensors });
    free(bytes);
    if (!layout.ok) throw new RangeError(`the header of upload ${upload}: ${layout.error.reason}`);
    return layout.value;
  }

  /** Forgets uploads that were never committed: to be called as the object is constructed, when their requests are dead. */
  clearDead(): void {
    this.#sql.exec('DELETE FROM uploads WHERE committed = 0');
    this.#rows.clearStaged();
  }

  /** Forgets all uploads for a task: it is folded, or over. `sweep` deletes their rows. */
  release(task: string): void {
    for (const upload of this.#underWay) if (upload.task === task) this.#end(upload, 'over');
    this.#forget(this.#sql.exec<Row>('DELETE FROM uploads WHERE task = ? RETURNING *', task));
    this.#partials.drop({ task });
  }

  /** Deletes some rows of what is forgotten. -> whether more is left */
  sweep(): boolean {
    return this.#rows.sweep();
  }
}
