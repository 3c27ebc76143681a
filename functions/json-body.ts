import type { FieldError } from '../core/protocol/fault.ts';
import { shown } from '../core/protocol/field-errors.ts';
import { Body } from '../durable/bytes/body.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { Refusal } from './problem.ts';

const malformed = (detail: string, errors?: readonly FieldError[]): Refusal =>
  new Refusal({ reason: 'malformed', detail, ...(errors ? { errors } : {}) });

/**
 * A request's JSON body, read up to `limit` bytes; undefined where it is empty. Throws a Refusal: 415 for another media
 * type, 413 above the limit, 400 for what is no JSON. A refused body is read on and dropped, so that its sender sees
 * the answer.
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const body = new Body(request.body);
  try {
    return await parse(request, body, limit);
  } catch (error) {
    await body.drain(LIMITS.partBytes);
    throw error;
  }
}

async function parse(request: Request, body: Body, limit: number): Promise<unknown> {
  const type = request.headers.get('content-type');
  const declared = Number(request.headers.get('content-length') ?? Number.NaN);
  const checkType = (): void => {
    if (/^application\/json\s*(;|$)/i.test(type ?? '')) return;
    const got = type === null ? 'none' : shown(type);
    throw new Refusal({ reason: 'unsupported-media-type', expected: 'application/json', got });
  };
  if (declared > limit) {
    checkType();
    throw new Refusal({ reason: 'too-large', limit, got: declared });
  }
  // One byte more than the limit tells a body that is too long from one that just fits.
  const bytes = await body.take(limit + 1);
  if (bytes.length === 0) return undefined;
  checkType();
  if (bytes.length > limit) throw new Refusal({ reason: 'too-large', limit, got: null });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw malformed('The body is not UTF-8.');
  }
  if (depthOf(text) > LIMITS.jsonDepth) {
    throw malformed(`The body is nested more than ${LIMITS.jsonDepth} levels deep.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('The body is not JSON.');
  }
  const fault = firstFault(value);
  if (fault) throw malformed('The body has a value that cannot be kept.', [fault]);
  return value;
}

/** How deep brackets nest in JSON text. Counted before parsing: everything behind it may recurse. */
export function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x5b || c === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x5d || c === 0x7d) depth--;
  }
  return deepest;
}

/** A number that JSON could write and a double can't hold (1e999), or text that is no Unicode (a lone surrogate). */
function firstFault(value: unknown, path = ''): FieldError | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return { path, expected: 'a number within the range of a double', got: String(value) };
  }
  if (typeof value === 'string' && !value.isWellFormed()) {
    return { path, expected: 'well-formed Unicode', got: 'a lone surrogate' };
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const list = Array.isArray(value);
  for (const [key, inner] of Object.entries(value)) {
    const at = list ? `${path}[${key}]` : path === '' ? shown(key) : `${path}.${shown(key)}`;
    const fault = key.isWellFormed()
      ? firstFault(inner, at)
      : { path: at, expected: 'well-formed Unicode', got: 'a lone surrogate' };
    if (fault) return fault;
  }
  return undefined;
}
