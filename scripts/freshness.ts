import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** When the newest source below a path was written; tests and declarations don't count. */
async function newest(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isDirectory()) return /\.(test|suite|d)\.ts$/.test(path) ? 0 : info.mtimeMs;
  const names = await readdir(path);
  const inner = names.filter((name) => !name.startsWith('.') && name !== 'node_modules');
  return Math.max(0, ...(await Promise.all(inner.map((name) => newest(join(path, name))))));
}

/** Whether a built file is there and as new as all its sources, paths below `root`. */
export async function isFresh(
  built: string,
  root: string,
  sources: readonly string[],
): Promise<boolean> {
  const info = await stat(built).catch(() => null);
  if (!info) return false;
  const times = await Promise.all(sources.map((name) => newest(join(root, name))));
  return info.mtimeMs >= Math.max(...times);
}
