import { LIMITS } from '../../core/protocol/limits.ts';
import { ByteBudget } from '../bytes/byte-budget.ts';
import { parseRange } from './content-range.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { OwnedBytes } from '../bytes/chunk-rows.ts';
import { namesTag } from './entity-tag.ts';
import { faultResponse } from './fault-response.ts';

/** Immutable bytes under the name of their digest. */
export interface Servable {
  readonly digest: string;
  readonly bytes: number;
  readonly type: string;
  /** Bytes [start, end) as a stream; asked at most once, and not for HEAD. */
  readonly stream: (start: number, end: number) => ReadableStream | Promise<ReadableStream>;
}

/** Answers GET or HEAD: strong ETag, If-None-Match (304), one Range (206; 416 as a Fault), If-Range. */
export const serveBytes = async (
  { digest, bytes, type, stream }: Servable,
  { method, headers: asked }: Request,
): Promise<Response> => {
  const etag = `"${digest}"`;
  const headers = new Headers({
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
  });
  if (namesTag(asked.get('if-none-match'), etag)) {
    return new Response(null, { status: 304, headers });
  }
  const ifRange = asked.get('if-range');
  const ranged = ifRange === null || ifRange.trim() === etag;
  const span = parseRange(ranged ? asked.get('range') : null, bytes);
  if (span.kind === 'unsatisfiable') {
    return faultResponse({
      reason: 'range-not-satisfiable',
      size: bytes,
      detail: `0 to ${bytes - 1}`,
    });
  }
  const { start, end } = span.kind === 'some' ? span : { start: 0, end: bytes };
  headers.set('content-type', type);
  if (span.kind === 'some') headers.set('content-range', `bytes ${start}-${end - 1}/${bytes}`);
  const status = span.kind === 'some' ? 206 : 200;
  if (method === 'HEAD') {
    headers.set('content-length', String(end - start));
    return new Response(null, { status, headers });
  }
  return new Response(await stream(start, end), { status, headers });
};

/** The most that all downloads of one object may hold in memory. */
export const downloadBudget = (): ByteBudget => new ByteBudget(LIMITS.downloadBufferBytes);

/**
 * Pieces of SQL BLOBs, of a row at most, as a stream of a known length. A piece is read when the budget has room for it and
 * freed once it is written: a thousand downloads at once would otherwise hold a thousand rows. A reader who leaves, or
 * takes nothing for LIMITS.downloadStallMS, ends it; pieces that fail (deleted meanwhile) break it off.
 */
export const streamPieces = (
  pieces: Iterable<OwnedBytes>,
  length: number,
  budget = new ByteBudget(LIMITS.rowBytes),
): ReadableStream => {
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  const reading = pieces[Symbol.iterator]();
  const next = async (): Promise<boolean> => {
    const { done, value } = reading.next();
    if (done) return false;
    await inTime(writer.write(value));
    free(value);
    return true;
  };
  const pump = async (): Promise<void> => {
    while (await budget.with(LIMITS.rowBytes, next));
    await writer.close();
  };
  pump().catch((error: unknown) => writer.abort(error).catch(() => {}));
  return readable;
};

const inTime = async (write: Promise<void>): Promise<void> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the reader stalled')), LIMITS.downloadStallMS);
  });
  try {
    await Promise.race([write, stalled]);
  } finally {
    clearTimeout(timer);
  }
};
