import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { storeSuite } from '../../store.suite.ts';
import { FileStore } from './file-store.ts';

const root = mkdtempSync(join(tmpdir(), 'file-store-'));
afterAll(() => rmSync(root, { recursive: true }));

let made = 0;
const dirs = new Map<unknown, string>();
const make = (): FileStore => {
  const dir = join(root, String(made++));
  const store = new FileStore(dir);
  dirs.set(store, dir);
  return store;
};

storeSuite(make, (store) => new FileStore(dirs.get(store) ?? ''));

test('a half-written file of a killed process is nobody’s, and goes', async () => {
  const dir = join(root, 'killed');
  mkdirSync(join(dir, '.unfinished'), { recursive: true });
  writeFileSync(join(dir, '.unfinished', '1-0'), 'half');
  const store = new FileStore(dir);
  expect(await store.list('')).toEqual([]);
  await store.write('a', [new Uint8Array(1)]);
  expect(readdirSync(join(dir, '.unfinished'))).toEqual([]);
});

test('a write that fails leaves the old bytes', async () => {
  const dir = join(root, 'full');
  const store = new FileStore(dir);
  await store.write('a', [new Uint8Array([1])]);
  const broken = { length: 1 } as unknown as Uint8Array<ArrayBuffer>;
  await expect(store.write('a', [new Uint8Array([2]), broken])).rejects.toThrow();
  expect(new Uint8Array(await (await store.read('a'))!.arrayBuffer())).toEqual(new Uint8Array([1]));
  expect(readdirSync(join(dir, '.unfinished'))).toEqual([]);
});

test('only the owner can read: tokens lie there', async () => {
  const dir = join(root, 'private');
  await new FileStore(dir).write('identity', [new Uint8Array(1)]);
  expect(existsSync(join(dir, 'identity'))).toBe(true);
  expect(statSync(join(dir, 'identity')).mode & 0o077).toBe(0);
});

test('one living process has the folder, and one site of it; letting go is enough', async () => {
  const dir = join(root, 'locked');
  const unlock = await new FileStore(dir).lock();
  await expect(new FileStore(dir).lock()).rejects.toThrow(/in use by another site \(process \d+\)/);
  const other = tryToLock(dir);
  expect(other.status).toBe(1);
  expect(other.stderr).toContain(`in use by another site (process ${process.pid})`);
  await unlock();
  expect(tryToLock(dir)).toMatchObject({ status: 0 });
  // That process has ended without letting go.
  expect(existsSync(join(dir, '.lock'))).toBe(true);
  const again = await new FileStore(dir).lock();
  await again();
  expect(await new FileStore(dir).list('')).toEqual([]);
});

test.for<[string, string]>([
  ['another process under the same number', JSON.stringify({ pid: 1, started: 'long ago' })],
  ['a file cut short by a crash', '{"pi'],
])('a dead lock is taken over: %s', async ([, text]) => {
  const dir = mkdtempSync(join(root, 'dead-'));
  writeFileSync(join(dir, '.lock'), text);
  const locks = await Promise.allSettled([1, 2, 3].map(() => new FileStore(dir).lock()));
  expect(locks.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

/** A process that takes the folder and ends without letting go of it, as a killed one does. */
const tryToLock = (dir: string) => {
  const module = JSON.stringify(join(import.meta.dirname, 'file-store.ts'));
  const script = `const { FileStore } = await import(${module});
await new FileStore(${JSON.stringify(dir)}).lock().catch((error) => {
  console.error(error.message);
  process.exit(1);
});`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
};
