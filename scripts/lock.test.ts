import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lock } from './lock.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tributary-lock-'));
  file = join(dir, 'server.lock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('a folder is one living process’s; a dead one’s lock is taken over', () => {
  const unlock = lock(dir);
  expect(() => lock(dir)).toThrow(`in use by another server (process ${process.pid})`);
  unlock();
  expect(existsSync(file)).toBe(false);
  writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'before this process was' }));
  lock(dir)();
});

test('a lock that a crash cut short is taken over', () => {
  writeFileSync(file, '');
  const unlock = lock(dir);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid });
  unlock();
});

test('a lock that another has made and not yet written is its lock', async () => {
  const unlock = lock(dir);
  const text = readFileSync(file, 'utf8');
  unlock();
  const code = 'echo ready; read _; sleep 0.02; printf %s "$1" > "$2"';
  const other = spawn('sh', ['-c', code, 'sh', text, file], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(other.stdout, 'data');
  writeFileSync(file, '');
  other.stdin.end('\n');
  expect(() => lock(dir)).toThrow('in use by another server');
});
