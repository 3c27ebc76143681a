import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { signSite, tokenKey, tokenKeys, verifySite } from '../durable/directory/site-token.ts';
import { keysOf, newTokenKey } from './keys.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tributary-keys-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const stored = async () =>
  JSON.parse(await readFile(join(dir, 'keys.json'), 'utf8')) as Record<string, string>;

test('keys are made once, and their file is its owner’s', async () => {
  const first = await keysOf(dir, {});
  expect(first.made).toBe(first.keys.ADMIN_TOKEN);
  expect((await stat(join(dir, 'keys.json'))).mode & 0o777).toBe(0o600);
  expect(await keysOf(dir, {})).toEqual({ keys: first.keys, made: null });
});

test('after a rotation as SECURITY.md has it, tokens of both keys work', async () => {
  const { keys } = await keysOf(dir, {});
  const site = { name: 'alpha', generation: 1 };
  const old = signSite(tokenKey(keys.TOKEN_KEY), site);
  const rotated = {
    ...(await stored()),
    TOKEN_KEY: newTokenKey(),
    TOKEN_KEY_PREVIOUS: keys.TOKEN_KEY,
  };
  await writeFile(join(dir, 'keys.json'), JSON.stringify(rotated));
  const now = tokenKeys((await keysOf(dir, {})).keys);
  expect(verifySite(now, old)).toEqual({ role: 'site', ...site });
  expect(verifySite(now, signSite(now.current, site))).toEqual({ role: 'site', ...site });
  expect(now.current).not.toEqual(tokenKey(keys.TOKEN_KEY));
});

test('what the environment gives wins, and is not stored', async () => {
  const env = { ADMIN_TOKEN: 'a', TOKEN_KEY: newTokenKey(), TOKEN_KEY_PREVIOUS: newTokenKey() };
  expect(await keysOf(dir, env)).toEqual({ keys: env, made: null });
  const values = Object.values(await stored());
  for (const value of Object.values(env)) expect(values).not.toContain(value);
});
