import type { Kernel } from '../core/aggregators/kernel.ts';
import type { Fault } from '../core/protocol/fault.ts';
import { SAFETENSORS } from '../core/protocol/http.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { canonicalHeader, parseHeader, PREFIX_BYTES } from '../core/tensors/header.ts';
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
  mediaType,
  readJson,
  readReply,
  skipData,
  tooLarge,
} from './result-body.ts';
import type { Received } from './result-body.ts';
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
  /** Uploads under way, with whether their task is over; their requests die with this object. */
  readonly #underWay = new Set<{ readonly task: string; cancelled: boolean }>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rows = parts.rows;
    this.#sql = parts.sql;
    this.#partials = new PartialUploads(parts.sql, parts.rows);
  }

  /**
   * Reads, checks and stages one body. A refused body is read to its end (up to the size limit) and leaves nothing.
   * Should its task be released meanwhile, it comes back as staged without tensors: the commit turn says `late`.
   */
  async receive(
    request: Request,
    key: ResultKey,
    rule: ResultRule,
  ): Promise<Result<Received, Fault>> {
    const length = contentLength(request);
    const buffer = Math.min(length ?? LIMITS.rowBytes, LIMITS.rowBytes);
    const body = new Body(request.body);
    return this.#buffers.with(buffer, async () => {
      const answer = await this.#read(request, body, key, rule, length).catch((error: unknown) =>
        err(arrivalFault(error)),
      );
      if (!answer.ok) await body.drain(rule.maxBytes);
      return answer;
    });
  }

  async #read(
    request: Request,
    body: Body,
    key: ResultKey,
    rule: ResultRule,
    length: number | null,
  ): Promise<Result<Received, Fault>> {
    const type = request.headers.get('content-type') ?? '';
    const media = type.split(';', 1)[0]?.trim().toLowerCase();
    const encoding = request.headers.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity') return err(mediaType(`${type}; ${encoding}`));
    const range = request.headers.get('content-range');
    if (media === 'application/json' && range === null) return readJson(body, rule, length);
    if (media !== SAFETENSORS) return err(mediaType(type));
    const digest = reprDigest(request.headers.get('repr-digest'));
    if (range !== null) return this.#readPart(body, range, key, digest, rule);
    if (length !== null && length > rule.maxBytes) return err(tooLarge(rule.maxBytes, length));
    return this.#stage(body, { key, rule, length, digest, verify: digest !== null });
  }

  async #readPart(
    body: Body,
    range: string,
    key: ResultKey,
    digest: string | null,
    rule: ResultRule,
  ): Promise<Result<Received, Fault>> {
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
    if (!answer.ok || answer.value.kind === 'partial') return answer as Result<Received, Fault>;
    const { run, total } = answer.value;
    const source = new RunSource(this.#rows, run, total);
    const staged = await this.#stage(source, { key, rule, length: total, digest, verify: false });
    // What was accepted stays until `commit`, so that a crash between the two costs one part, not all.
    if (!staged.ok) {
      this.#partials.drop(whole);
      this.#rows.sweep();
    }
    return staged;
  }

  async #stage(
    source: ByteSource,
    {
      key,
      rule,
      length,
      digest,
      verify,
    }: {
      readonly key: ResultKey;
      readonly rule: ResultRule;
      readonly length: number | null;
      readonly digest: string | null;
      readonly verify: boolean;
    },
  ): Promise<Result<Received, Fault>> {
    const head = await readHead(source);
    if (!head.ok) return head;
    if (head.value.fileBytes > rule.maxBytes)
      return err(tooLarge(rule.maxBytes, head.value.fileBytes));
    const header = readReply(head.value, rule);
    if (!header.ok) return header;
    const fits = checkLength(head.value, length);
    if (!fits.ok) return fits;
    const { layout, fileBytes } = head.value;
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
    if (layout.dataBytes > this.#rows.room()) {
      return err({
        reason: 'storage-full',
        detail: 'the results and models of this job fill its storage',
      });
    }
    const same = base !== null && sameTable(base, layout);
    const upload = this.#begin(key, layout, same ? rule.layoutOf : null);
    const work = { task: key.task, cancelled: false };
    this.#underWay.add(work);
    const hash = verify ? sha256().update(head.value.bytes) : undefined;
    let done = false;
    try {
      const data = await stageData(source, head.value, {
        rows: this.#rows,
        run: Number(upload),
        finite: this.#parts.kernel,
        ...(hash && { hash }),
        cancelled: () => work.cancelled,
      });
      if (!data.ok) return data;
      if (work.cancelled) return staged(null);
      const got = hash ? digestOf(hash) : digest;
      if (digest !== null && got !== digest) return err(digestMismatch(digest, String(got)));
      done = true;
      return staged(upload);
    } finally {
      this.#underWay.delete(work);
      if (!done && !work.cancelled) {
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
    for (const work of this.#underWay) if (work.task === task) work.cancelled = true;
    this.#forget(this.#sql.exec<Row>('DELETE FROM uploads WHERE task = ? RETURNING *', task));
    this.#partials.drop({ task });
  }

  /** Deletes some rows of what is forgotten. -> whether more is left */
  sweep(): boolean {
    return this.#rows.sweep();
  }
}
