import * as v from 'valibot';
import { LIMITS } from './limits.ts';

/** Names that a model path already uses. */
const RESERVED_SITES = new Set(['global', 'best', 'server']);

export const SITE_NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** A site's name: it is a path segment, a map key and a sort key (byte order), so it is plain ASCII. */
export const SiteName = v.pipe(
  v.string(),
  v.regex(
    SITE_NAME_PATTERN,
    'a name of [a-z0-9._-], 1 to 63 long, beginning with a letter or digit',
  ),
  v.check((name) => !RESERVED_SITES.has(name), 'a name other than global, best and server'),
);

/** A blob's or model's name: the SHA-256 of its bytes. */
export const DIGEST_PATTERN = /^sha256-[0-9a-f]{64}$/;
export const Digest = v.pipe(v.string(), v.regex(DIGEST_PATTERN, 'sha256- and 64 hex digits'));

// oxlint-disable-next-line no-control-regex -- control characters are what it refuses
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** A person's name for a job. */
export const JobName = v.pipe(
  v.string(),
  v.minLength(1, 'at least 1 character'),
  v.maxLength(LIMITS.jobNameLength, `at most ${LIMITS.jobNameLength} characters`),
  v.check((name) => !CONTROL.test(name), 'printable characters'),
);

/** An identifier inside a spec: workflow ids, program names, metric keys. */
export const Id = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'a name of [A-Za-z0-9._-], 1 to 63 long'),
);

/** Byte order of UTF-8; site names are ASCII, so code unit order is byte order. */
export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
