import type { Fault } from '../../core/protocol/fault.ts';
import { FL_MODEL_KEY } from '../../core/protocol/fl-model.ts';
import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import { SAFETENSORS } from '../../core/protocol/http.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import type { Body, ByteSource } from '../bytes/body.ts';
import { invalid, tensorProblem } from '../http/content-fault.ts';
import { checkReply, parseReplyHeader } from './reply-header.ts';
import type { ResultRule } from './reply-header.ts';
import type { Head } from '../uploads/upload.ts';

/** What a result's body came to. */
export type Received =
  | { readonly kind: 'partial'; readonly received: number }
  /** Ended in the middle: its task is over, or the site's result for it was committed by another request. */
  | { readonly kind: 'over' }
  | {
      readonly kind: 'staged';
      /** Null where it brings no tensors. */
      readonly upload: string | null;
      readonly header: FLModelHeader;
    };

/** Refuses with the media types that a result may have. */
export const mediaType = (got: string): Fault => ({
  reason: 'unsupported-media-type',
  expected: `${SAFETENSORS} or application/json`,
  got: got.slice(0, 64),
});

export type Format = 'safetensors' | 'json';

/** What a result's headers say it is; null: nothing that is taken. Parts are of safetensors only. */
export const formatOf = (headers: Headers): Format | null => {
  const media = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') return null;
  if (media === SAFETENSORS) return 'safetensors';
  return media === 'application/json' && !headers.has('content-range') ? 'json' : null;
};

export const contentLength = (request: Request): number | null => {
  const text = request.headers.get('content-length');
  return text === null ? null : Number(text);
};

export const tooLarge = (limit: number, got: number | null): Fault => ({
  reason: 'too-large',
  limit,
  got,
});

const otherLength = (fileBytes: number): Fault =>
  tensorProblem({
    reason: 'length-mismatch',
    expected: `${fileBytes} bytes`,
    got: 'another length',
  });

export const readJson = async (
  body: Body,
  rule: ResultRule,
  length: number | null,
): Promise<Result<Received, Fault>> => {
  const most = Math.min(LIMITS.replyJsonBytes, rule.maxBytes);
  if (length !== null && length > most) return err(tooLarge(most, length));
  const bytes = await body.take(most + 1);
  if (bytes.length > most) return err(tooLarge(most, length));
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return err({ reason: 'malformed', detail: 'the body is not UTF-8' });
  }
  const header = parseReplyHeader(text, '');
  if (!header.ok) return header;
  const checked = checkReply(header.value, rule, false);
  if (!checked.ok) return checked;
  return ok({ kind: 'staged', upload: null, header: checked.value });
};

/** The FLModel in a safetensors header, checked against the task. */
export const readReply = ({ layout }: Head, rule: ResultRule): Result<FLModelHeader, Fault> => {
  const text = layout.metadata.get(FL_MODEL_KEY);
  const path = `__metadata__.${FL_MODEL_KEY}`;
  if (text === undefined) {
    const [expected, got] = ['an FLModel as a JSON string', 'nothing'];
    return err(invalid('NO_FL_MODEL', `the header has no ${path}`, { path, expected, got }));
  }
  const header = parseReplyHeader(text, path);
  if (header.ok) return checkReply(header.value, rule, layout.entries.length > 0);
  // 400 is for a body that isn't JSON; this one is a good file with a bad field.
  const { error } = header;
  if (error.reason !== 'malformed') return header;
  return err(
    invalid('INVALID_RESULT', error.detail, { path, expected: 'JSON', got: 'other text' }),
  );
};

/** Reads and drops the data region, which must be as long as the header says. */
export const skipData = async (
  source: ByteSource,
  { layout, fileBytes }: Pick<Head, 'layout' | 'fileBytes'>,
): Promise<Result<void, Fault>> => {
  let buffer = new ArrayBuffer(Math.min(LIMITS.rowBytes, layout.dataBytes));
  for (let at = 0; at < layout.dataBytes; at += LIMITS.rowBytes) {
    const piece = Math.min(LIMITS.rowBytes, layout.dataBytes - at);
    const bytes = await source.take(piece, buffer);
    if (bytes.length < piece) return err(otherLength(fileBytes));
    buffer = bytes.buffer;
  }
  return (await source.take(1)).length === 0 ? ok(undefined) : err(otherLength(fileBytes));
};
