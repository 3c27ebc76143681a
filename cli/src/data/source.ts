import { open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DataError } from './dataset.ts';

/** A file with its first bytes, unpacked where it is gzip. */
export interface SourceFile {
  readonly path: string;
  /** File name without `.gz`. */
  readonly name: string;
  readonly gzip: boolean;
  readonly head: Uint8Array;
}

/** A data path as a format looks at it: the file itself, or the files and sub folders of a folder. */
export interface Source {
  readonly path: string;
  readonly files: readonly SourceFile[];
  readonly folders: readonly string[];
}

const HEAD = 512;

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The whole content of a file, unpacked. Throws DataError if it is damaged gzip. */
export const contentOf = async ({ path, gzip }: SourceFile): Promise<Uint8Array<ArrayBuffer>> => {
  const bytes = await readFile(path);
  if (!gzip) return new Uint8Array(bytes);
  try {
    return new Uint8Array(gunzipSync(bytes));
  } catch (error) {
    throw new DataError(path, `gzip: ${(error as Error).message}`);
  }
};

const look = async (path: string): Promise<SourceFile> => {
  const handle = await open(path);
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(HEAD), 0, HEAD, 0);
    const raw = buffer.subarray(0, bytesRead);
    const file = { path, name: basename(path).replace(/\.gz$/, ''), gzip: isGzip(raw), head: raw };
    return file.gzip ? { ...file, head: (await contentOf(file)).subarray(0, HEAD) } : file;
  } finally {
    await handle.close();
  }
};

/** Looks at a path without reading whole files (gzip excepted). Throws DataError where there is nothing. */
export const survey = async (path: string): Promise<Source> => {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new DataError(path, 'no such file or folder');
  if (!found.isDirectory()) return { path, files: [await look(path)], folders: [] };
  const entries = (await readdir(path, { withFileTypes: true })).filter(
    (e) => !e.name.startsWith('.'),
  );
  const names = entries
    .filter((e) => !e.isDirectory())
    .map((e) => e.name)
    .sort();
  return {
    path,
    files: await Promise.all(names.map((name) => look(join(path, name)))),
    folders: entries
      .filter((e) => e.isDirectory())
      .map((e) => join(path, e.name))
      .sort(),
  };
};
