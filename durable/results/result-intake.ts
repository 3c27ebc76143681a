import type { Kernel } from '../../core/aggregators/kernel.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { headerBound } from '../../core/tensors/header.ts';
import { matchLayout } from '../../core/tensors/layout.ts';
import type { Layout } from '../../core/tensors/layout.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { Body, DRAIN_BYTES } from '../bytes/body.ts';
import type { ByteSource } from '../bytes/body.ts';
import { ByteBudget } from '../bytes/byte-budget.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows } from '../bytes/chunk-rows.ts';
import { arrivalFault, digestMismatch, tensorProblem } from '../http/content-fault.ts';
import { parsePart } from '../http/content-range.ts';
import { digestOf, reprDigest, sha256 } from '../bytes/digest.ts';
import type { PartialUploads } from '../uploads/partial-uploads.ts';
import { RunSource } from '../uploads/run-source.ts';
import { codedCheck, readCoding } from './coding.ts';
import type { Coding } from './coding.ts';
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
import { sameTable } from '../bytes/spans.ts';
import { checkLength, readHead, stageData } from '../uploads/upload.ts';

/** Whose result. */
export interface ResultKey {
  readonly task: string;
  readonly site: string;
}

interface Parts {
  readonly rows: ChunkRows;
  readonly kernel: Kernel;
  readonly layoutOf: (digest: string) => Layout | null;
  readonly partials: PartialUploads;
  /** Begins an upload. -> its id, which is its run */
  readonly begin: (key: ResultKey, table: Table) => string;
  readonly drop: (upload: string) => void;
}

/** Where an upload's tensors lie, as it is kept. */
export interface Table {
  readonly layout: Layout;
  /** The model with this very layout, if there is one. */
  readonly layoutOf: string | null;
  readonly coding: Coding | undefined;
}

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
    : // Asked again, it is a duplicate of the one that won, or the newest itself.
      err({ reason: 'unavailable', detail: 'newer requests send this result', retryAfter: 1 });

/** Results on their way from the socket to the rows: what is read, checked and held in memory meanwhile. */
export class ResultIntake {
  readonly #parts: Parts;
  readonly #rows: ChunkRows;
  readonly #buffers = new ByteBudget(LIMITS.uploadBufferBytes);
  /** Uploads under way, oldest first; their requests die with this object. */
  readonly #underWay = new Set<Upload>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rows = parts.rows;
  }

  /** As `ResultStore.receive` says. */
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
      // A sender that is cut off in the middle of a body doesn't see the answer.
      if (!answer.ok || answer.value.kind === 'over') {
        keep(DRAIN_BYTES);
        await body.drain(Math.max(rule.maxBytes, LIMITS.partBytes));
      }
      return answer;
    });
  }

  /** The longest header that a result may have: the model's tensors in any spelling, twice where quantised; an FLModel. */
  #headLimit({ layoutOf, tensors }: ResultRule): number {
    if (layoutOf === null && tensors !== 'forbidden') return LIMITS.headerBytes;
    const base = layoutOf === null ? null : this.#parts.layoutOf(layoutOf);
    const names = base ? headerBound(base) : 0;
    return Math.min(LIMITS.headerBytes, 2 * names + 2 * LIMITS.replyJsonBytes + HEAD_SLACK);
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

  /** Ends uploads for a task, or of one site for it: it is over. */
  over({ task, site }: { readonly task: string; readonly site?: string }): void {
    for (const upload of this.#underWay) {
      if (upload.task === task && upload.site === (site ?? upload.site)) this.#end(upload, 'over');
    }
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
    return this.#stage(body, job, digest);
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
    const answer = await this.#parts.partials.accept(whole, part, body, this.#rows.room());
    if (upload.ended !== null) return endedAs(upload.ended);
    if (!answer.ok) return answer;
    if (answer.value.kind === 'partial') return ok(answer.value);
    const { run, total } = answer.value;
    const source = new RunSource(this.#rows, run, total);
    const staged = await this.#stage(source, { ...job, length: total }, null);
    // A whole that is no good goes. One that is stays until `commit`, and while there is no room to stage it: a crash, or a
    // full disk, costs its sender no more than a question.
    if (!staged.ok && staged.error.reason !== 'storage-full') {
      this.#parts.partials.drop(whole);
      this.#rows.sweep();
    }
    return staged;
  }

  /** Stages a body whose digest is to be `digest`; null: it was not named, or has been checked. */
  async #stage(
    source: ByteSource,
    { key, rule, length, headLimit, upload: work, headDone }: Job,
    digest: string | null,
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
      ok({ kind: 'staged', upload, header: header.value });
    if (layout.entries.length === 0 || failed(header.value)) {
      const skipped = await skipData(source, head.value);
      return skipped.ok ? staged(null) : skipped;
    }
    const base = rule.layoutOf === null ? null : this.#parts.layoutOf(rule.layoutOf);
    if (rule.layoutOf !== null && !base) {
      return err({ reason: 'internal', detail: `the model ${rule.layoutOf} is gone` });
    }
    const coded = readCoding(layout, base);
    if (!coded.ok) return coded;
    const coding = coded.value?.coding;
    if (base) {
      const match = matchLayout(coded.value?.wanted ?? base, layout, { partial: rule.partial });
      if (!match.ok) return err(tensorProblem(match.error));
    }
    if (work.ended !== null) return endedAs(work.ended);
    if (layout.dataBytes > this.#rows.room()) {
      return err({
        reason: 'storage-full',
        detail: 'the results and models of this job fill its storage',
      });
    }
    const same = base !== null && !coding && sameTable(base, layout);
    const upload = this.#parts.begin(key, {
      layout,
      layoutOf: same ? rule.layoutOf : null,
      coding,
    });
    const hash = digest !== null ? sha256().update(prefix).update(json) : undefined;
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
          check: coding && codedCheck(layout, coding),
          ...(hash && { hash }),
          cancelled: () => work.ended !== null,
        },
      );
      if (!data.ok) return data;
      if (work.ended !== null) return endedAs(work.ended);
      const got = hash && digestOf(hash);
      if (digest !== null && got !== digest) return err(digestMismatch(digest, String(got)));
      done = true;
      return staged(upload);
    } finally {
      if (!done) {
        this.#parts.drop(upload);
        this.#rows.sweep(); // whoever sends garbage again and again must not fill the disk with it
      }
    }
  }
}
