import { expect, test } from 'vitest';
import {
  enrolmentToken,
  looksLikeEnrolment,
  sameText,
  signSite,
  tokenKey,
  tokenKeys,
  verifySite,
} from './site-token.ts';

const OLD = '00'.repeat(32);
const NEW = Buffer.alloc(32, 7).toString('base64url');
const site = { name: 'hospital-a.ward_3', generation: 12 };

test('a token tells whose it is, and is the same each time', () => {
  const key = tokenKey(NEW);
  const token = signSite(key, site);
  expect(token).toMatch(/^tsite_[0-9a-f]{8}~12~hospital-a\.ward_3~[\w-]{43}$/);
  expect(signSite(key, site)).toBe(token);
  expect(verifySite({ current: key, previous: null }, token)).toEqual({ role: 'site', ...site });
});

test('the signature is HMAC-SHA-256 over all before it', async () => {
  const token = signSite(tokenKey(OLD), site);
  const at = token.lastIndexOf('~');
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', new Uint8Array(32), algorithm, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(token.slice(0, at)));
  expect(token.slice(at + 1)).toBe(Buffer.from(mac).toString('base64url'));
});

test('after a rotation the previous key still verifies, and no older one', () => {
  const token = signSite(tokenKey(OLD), site);
  expect(verifySite(tokenKeys({ TOKEN_KEY: NEW, TOKEN_KEY_PREVIOUS: OLD }), token)).not.toBeNull();
  expect(verifySite(tokenKeys({ TOKEN_KEY: NEW }), token)).toBeNull();
  expect(verifySite(tokenKeys({ TOKEN_KEY: NEW, TOKEN_KEY_PREVIOUS: '' }), token)).toBeNull();
});

test('no changed character verifies', () => {
  const keys = tokenKeys({ TOKEN_KEY: NEW });
  const token = signSite(keys.current, site);
  for (let i = 0; i < token.length; i++) {
    const changed = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`;
    expect(verifySite(keys, changed), changed).toBeNull();
    expect(verifySite(keys, token.slice(0, i))).toBeNull();
  }
  expect(verifySite(keys, `${token}A`)).toBeNull();
  expect(verifySite(keys, `${token}~A`)).toBeNull();
});

test('a signed enrolment is no site, and the other way round', () => {
  const keys = tokenKeys({ TOKEN_KEY: NEW });
  const enrolment = enrolmentToken(keys.current, 'a'.repeat(32));
  expect(verifySite(keys, enrolment)).toBeNull();
  expect(looksLikeEnrolment(enrolment)).toBe(true);
  expect(looksLikeEnrolment(signSite(keys.current, site))).toBe(false);
});

test.each(['', 'short', 'g'.repeat(64), '0'.repeat(63), `${'A'.repeat(43)}!`, 'A'.repeat(44)])(
  'the key %j is refused',
  (text) => {
    expect(() => tokenKey(text)).toThrow('TOKEN_KEY must be 32 bytes');
  },
);

test('texts are the same or not, whatever their lengths', () => {
  expect(sameText('a', 'a')).toBe(true);
  expect(sameText('a', 'b')).toBe(false);
  expect(sameText('', 'a')).toBe(false);
});
