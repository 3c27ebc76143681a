import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from './build-worker.ts';

const SCRIPT = join(ROOT, 'onprem/start');
let dir: string;
let workerd: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tributary-start-'));
  // In workerd's place: says what it was given.
  workerd = join(dir, 'told');
  writeFileSync(
    workerd,
    '#!/bin/sh\nprintf "%s|%s|%s" "$TOKEN_KEY" "$ADMIN_TOKEN" "${ALLOWED_ORIGINS:-}"\n',
    { mode: 0o755 },
  );
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const start = (env: Record<string, string> = {}) =>
  spawnSync(SCRIPT, [dir], {
    env: { PATH: process.env['PATH'], WORKERD: workerd, ...env },
    encoding: 'utf8',
  });

test('an admin token that it was given once is the same at the next start', () => {
  const ADMIN_TOKEN = 'base64-often-ends-in-one=';
  expect(start({ ADMIN_TOKEN }).stdout).toContain(`|${ADMIN_TOKEN}|`);
  expect(start().stdout).toContain(`|${ADMIN_TOKEN}|`);
});

test('secrets are read to the end, with a line break there or without', () => {
  writeFileSync(
    join(dir, 'secrets.env'),
    'TOKEN_KEY=k\nADMIN_TOKEN=a=b=\nALLOWED_ORIGINS=https://x.org',
  );
  expect(start().stdout).toBe('k|a=b=|https://x.org');
});

const locks = spawnSync('sh', ['-c', 'command -v flock']).status === 0;
test.skipIf(!locks)('where another server has the folder, not even secrets are made', async () => {
  const runs = join(dir, 'runs');
  writeFileSync(runs, '#!/bin/sh\necho running\nread _\n', { mode: 0o755 });
  const env = { PATH: process.env['PATH'], WORKERD: runs };
  const first = spawn(SCRIPT, [dir], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const text of first.stdout) if (String(text).includes('running')) break;
  rmSync(join(dir, 'secrets.env'));
  const second = start();
  first.stdin.end();
  expect(second.status).toBe(1);
  expect(second.stderr).toContain('in use by another server');
  expect(existsSync(join(dir, 'secrets.env'))).toBe(false);
});
