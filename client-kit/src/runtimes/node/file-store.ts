import { openAsBlob } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { segmentsOf } from '../../store.ts';
import type { Store } from '../../store.ts';
import { lockFolder } from './folder-lock.ts';

/** Unfinished writes. A key never begins with a dot, so this can't be one. */
const UNFINISHED = '.unfinished';

/**
 * A store of files: one a key, in a folder of its own (made at the first write, for its owner only). A write goes to a
 * new file, is flushed, and takes the key's place by renaming, so that a kill leaves the old bytes or the new.
 */
export class FileStore implements Store {
  readonly #dir: string;
  #ready: Promise<void> | undefined;
  #writes = 0;

  constructor(dir: string) {
    this.#dir = resolve(dir);
  }

  async read(key: string): Promise<Blob | undefined> {
    const path = this.#path(key);
    try {
      await access(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return openAsBlob(path);
  }

  async write(
    key: string,
    parts: readonly Uint8Array<ArrayBuffer>[],
    { durable = true }: { durable?: boolean } = {},
  ): Promise<void> {
    const path = this.#path(key);
    await (this.#ready ??= this.#prepare());
    const folder = dirname(path);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    const unfinished = join(this.#dir, UNFINISHED, `${process.pid}-${this.#writes++}`);
    const file = await open(unfinished, 'wx', 0o600);
    try {
      for (const part of parts) await file.writeFile(part);
      if (durable) await file.sync();
    } catch (error) {
      await file.close();
      await rm(unfinished, { force: true });
      throw error;
    }
    await file.close();
    await rename(unfinished, path);
    if (durable) {
      for (let d = folder; ; d = dirname(d)) {
        await syncFolder(d);
        // New folders must be found again too: flush up to the parent of the first one made.
        if (made === undefined || d.length < made.length) break;
      }
    }
  }

  /** One living process at a time, and one site of it: rejects where the folder is in use. */
  lock(): Promise<() => Promise<void>> {
    return lockFolder(this.#dir);
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  async list(prefix: string): Promise<string[]> {
    const folder = prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : '';
    const root = folder === '' ? this.#dir : this.#path(folder);
    const keys: string[] = [];
    const visit = async (path: string, key: string): Promise<void> => {
      const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
        if (isMissing(error)) return [];
        throw error;
      });
      for (const entry of entries) {
        if (entry.name.startsWith('.')) continue;
        const inner = key === '' ? entry.name : `${key}/${entry.name}`;
        if (entry.isDirectory()) await visit(join(path, entry.name), inner);
        else if (inner.startsWith(prefix)) keys.push(inner);
      }
    };
    await visit(root, folder);
    return keys.sort();
  }

  #path(key: string): string {
    return join(this.#dir, ...segmentsOf(key));
  }

  /** What a killed process left half-written is nobody's. */
  async #prepare(): Promise<void> {
    const folder = join(this.#dir, UNFINISHED);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** Makes a rename outlive a power cut. Windows can't open folders, and needs no such thing. */
const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === 'win32') return;
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};
