import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tokenKey } from '../durable/directory/site-token.ts';
import { OFFLINE, ROOT } from './build-worker.ts';
import { missingSecrets, secretsThere } from './deploy.ts';

test('a first deployment makes both secrets', () => {
  const error = '✘ [ERROR] This Worker does not exist on your account. [code: 10007]';
  const made = missingSecrets(secretsThere(1, '', error), {});
  expect(tokenKey(made.TOKEN_KEY).bytes).toHaveLength(32);
  expect(made.ADMIN_TOKEN).toMatch(/^tadmin_[\w-]{43}$/);
});

test('what the environment gives is taken', () => {
  const given = { ADMIN_TOKEN: 'mine', TOKEN_KEY: 'my own' };
  expect(missingSecrets(new Set(), given)).toEqual(given);
});

test('a later deployment keeps what is there', () => {
  const list = '[{"name":"ADMIN_TOKEN","type":"secret_text"}]';
  const made = missingSecrets(secretsThere(0, `a banner\n${list}\n`, ''), {});
  expect(Object.keys(made)).toEqual(['TOKEN_KEY']);
});

test('where the secrets cannot be listed, none is made', () => {
  expect(() => secretsThere(1, '', 'Authentication error [code: 10000]')).toThrow('10000');
});

test('deploy --dry-run builds with all bindings, without an account', () => {
  const args = [join(ROOT, 'scripts/deploy.ts'), '--dry-run'];
  const env = { ...process.env, ...OFFLINE, CLOUDFLARE_API_TOKEN: '' };
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    env,
    encoding: 'utf8',
  });
  expect(stdout).toMatch(/env\.JOB .*env\.DIRECTORY .*env\.BLOB /s);
  expect(status).toBe(0);
});
