import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  );
  chmodSync(workerd, 0o755);
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

test.skipIf(spawnSync('flock', ['--version']).error !== undefined)(
  'where another server has the folder, not even secrets are made',
  async () => {
    const holder = spawn('flock', [join(dir, 'lock'), 'sh', '-c', 'echo held; read _'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const second = start();
    holder.stdin.end();
    await once(holder, 'exit');
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('in use by another server');
    expect(existsSync(join(dir, 'secrets.env'))).toBe(false);
  },
);
