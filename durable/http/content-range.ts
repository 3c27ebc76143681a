/** A part of an upload: bytes [start, end) of `total`, or the question how far it is. */
export type Part =
  | { readonly kind: 'part'; readonly start: number; readonly end: number; readonly total: number }
  | { readonly kind: 'ask'; readonly total: number };

const PART = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15})$/;

/** Reads a request's `Content-Range: bytes a-b/total` or `bytes *\/total`. -> null where it is neither */
export const parsePart = (header: string): Part | null => {
  const [match, first, last, size] = PART.exec(header) ?? [];
  if (match === undefined || size === undefined) return null;
  const total = Number(size);
  if (first === undefined || last === undefined) return { kind: 'ask', total };
  const [start, end] = [Number(first), Number(last) + 1];
  return end > start && end <= total ? { kind: 'part', start, end, total } : null;
};

/** What a GET's `Range` asks of `size` bytes: bytes [start, end), all of them, or none that exist. */
export type Span =
  | { readonly kind: 'all' }
  | { readonly kind: 'some'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

const RANGE = /^bytes=\s*(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))\s*$/;

/** Reads a `Range` header (RFC 9110 §14.2). Several ranges, other units and nonsense mean all, as the RFC allows. */
export const parseRange = (header: string | null, size: number): Span => {
  const [match, first, last, suffix] = (header === null ? null : RANGE.exec(header)) ?? [];
  if (match === undefined) return { kind: 'all' };
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size);
    return length > 0
      ? { kind: 'some', start: size - length, end: size }
      : { kind: 'unsatisfiable' };
  }
  const start = Number(first);
  const end = last === undefined ? size : Math.min(Number(last) + 1, size);
  if (start >= size) return { kind: 'unsatisfiable' };
  return last !== undefined && Number(last) < start
    ? { kind: 'all' }
    : { kind: 'some', start, end };
};
