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
