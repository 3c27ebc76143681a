/**
 * Whether an If-None-Match names this entity tag: `*`, or a list of tags, compared weakly (RFC 9110 §8.8.3.2), so that
 * `W/"1"` and `"1"` are the same.
 */
export function namesTag(header: string | null | undefined, etag: string): boolean {
  if (!header) return false;
  if (header.trim() === '*') return true;
  const [opaque] = tags(etag);
  return tags(header).some((tag) => tag === opaque);
}

/** The opaque parts, quotes included. A comma may stand within one. */
const tags = (list: string): string[] => list.match(/"[^"]*"/g) ?? [];
