import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { SiteCaller } from '../../core/protocol/caller.ts';
import { SITE_NAME_PATTERN } from '../../core/protocol/names.ts';
import type { Env } from '../env.ts';

/**
 * Site tokens are signed, so the front door checks one without asking anybody:
 * `tsite_<key id>~<generation>~<site>~<HMAC-SHA-256, base64url>`. Whoever holds one can read whose it is; the
 * characters are all allowed in an Authorization header. Whether the generation is still good is for the objects.
 */
const SITE = 'tsite_';
/** Enrolment tokens: `tenrol_<id>~<HMAC>`. Stored as hashes; made again from the id when a request is repeated. */
const ENROLMENT = 'tenrol_';

export interface TokenKey {
  /** First 8 hex digits of the key's hash: tells which key signed. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

export interface TokenKeys {
  readonly current: TokenKey;
  readonly previous: TokenKey | null;
}

/** A key from its text: 64 hex digits, or 43 characters of base64url. Throws where it isn't 32 bytes. */
export function tokenKey(text: string | undefined, name = 'TOKEN_KEY'): TokenKey {
  const bytes = /^[0-9a-f]{64}$/i.test(text ?? '')
    ? Buffer.from(text ?? '', 'hex')
    : /^[\w-]{43}=?$/.test(text ?? '')
      ? Buffer.from(text ?? '', 'base64url')
      : null;
  if (bytes?.length !== 32) throw new Error(`${name} must be 32 bytes, in hex or base64url`);
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 8), bytes };
}

/** The keys that the Worker was given. Throws where one is malformed: the server must not run without. */
export const tokenKeys = (env: Pick<Env, 'TOKEN_KEY' | 'TOKEN_KEY_PREVIOUS'>): TokenKeys => ({
  current: tokenKey(env.TOKEN_KEY),
  previous: env.TOKEN_KEY_PREVIOUS ? tokenKey(env.TOKEN_KEY_PREVIOUS, 'TOKEN_KEY_PREVIOUS') : null,
});

const sign = (key: TokenKey, text: string): string =>
  createHmac('sha256', key.bytes).update(text).digest('base64url');

/** True if two texts are equal; takes as long whatever they are. */
export const sameText = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** The token of a site's generation: the same each time it is asked for, under one key. */
export function signSite(key: TokenKey, site: { name: string; generation: number }): string {
  const body = `${SITE}${key.id}~${site.generation}~${site.name}`;
  return `${body}~${sign(key, body)}`;
}

/** Whose token it is, or null where no key of ours signed it. */
export function verifySite(keys: TokenKeys, token: string): SiteCaller | null {
  if (!token.startsWith(SITE) || token.length > 256) return null;
  const [id, generation, name, mac, ...more] = token.slice(SITE.length).split('~');
  if (!id || !generation || !name || !mac || more.length > 0) return null;
  const key = [keys.current, keys.previous].find((k) => k?.id === id);
  if (!key || !sameText(sign(key, token.slice(0, -mac.length - 1)), mac)) return null;
  if (!/^[1-9]\d{0,14}$/.test(generation) || !SITE_NAME_PATTERN.test(name)) return null;
  return { role: 'site', name, generation: Number(generation) };
}

export const enrolmentToken = (key: TokenKey, id: string): string =>
  `${ENROLMENT}${id}~${sign(key, `${ENROLMENT}${id}`)}`;

/** True if a token has the form of an enrolment token; whether it is one, the directory knows. */
export const looksLikeEnrolment = (token: string): boolean =>
  token.startsWith(ENROLMENT) && token.length <= 256;

/** How secrets are stored: SHA-256, in hex. They are 256 random bits, so a plain hash is enough. */
export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
