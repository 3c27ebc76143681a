import { parseRange } from './content-range.ts';
import { free } from './chunk-rows.ts';
import type { OwnedBytes } from './chunk-rows.ts';
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

/**
 * Pieces of SQL BLOBs as a stream of a known length. Each is freed once it is written: eight downloads of 100 MB would
 * otherwise take 400 to 600 MB. A reader who leaves ends it; pieces that fail (deleted meanwhile) break it off.
 */
export const streamPieces = (pieces: Iterable<OwnedBytes>, length: number): ReadableStream => {
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  const pump = async (): Promise<void> => {
    for (const piece of pieces) {
      await writer.write(piece);
      free(piece);
    }
    await writer.close();
  };
  pump().catch((error: unknown) => writer.abort(error).catch(() => {}));
  return readable;
};
