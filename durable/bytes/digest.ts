import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';

/** A running SHA-256; `node:crypto`'s, because it is synchronous and incremental. */
export const sha256 = (): Hash => createHash('sha256');

/** Ends a hash. -> `sha256-<hex>` */
export const digestOf = (hash: Hash): string => `sha256-${hash.digest('hex')}`;

const REPR_DIGEST = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/;

/** The digest that a `Repr-Digest` header (RFC 9530) names, or null where it has no SHA-256. */
export const reprDigest = (header: string | null): string | null => {
  const base64 = header === null ? undefined : REPR_DIGEST.exec(header)?.[1];
  if (base64 === undefined) return null;
  const hex = Array.from(atob(base64), (c) => c.charCodeAt(0).toString(16).padStart(2, '0'));
  return `sha256-${hex.join('')}`;
};
