import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeNpz } from '../cli/src/data/npz.ts';
import type { Examples } from '../cli/src/data/dataset.ts';

/** The demo's folder: wiped at each start, kept at the end so that the server can be started again on it. */
const ROOT = fileURLToPath(new URL('../.tributary/demo/', import.meta.url));

/** Where everything of one run lies. */
export interface Workplace {
  readonly server: string;
  readonly profile: string;
  readonly safetensors: string;
  readonly onnx: string;
  /** A site's own examples, and its own state. */
  readonly site: (name: string) => { readonly data: string; readonly state: string };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Makes the folder anew. Throws where another demo is at work in it. */
export const openWorkplace = async (): Promise<Workplace> => {
  const lock = join(ROOT, 'demo.pid');
  const owner = Number(await readFile(lock, 'utf8').catch(() => '0'));
  if (owner > 0 && owner !== process.pid && isAlive(owner)) {
    throw new Error(`another demo (process ${owner}) is at work in ${ROOT}`);
  }
  await rm(ROOT, { recursive: true, force: true });
  await mkdir(ROOT, { recursive: true });
  await writeFile(lock, String(process.pid));
  return {
    server: join(ROOT, 'server'),
    profile: join(ROOT, 'profile.json'),
    safetensors: join(ROOT, 'model.safetensors'),
    onnx: join(ROOT, 'model.onnx'),
    site: (name) => ({ data: join(ROOT, name, 'data'), state: join(ROOT, name, 'state') }),
  };
};

/** Takes the mark off, so that the next demo may begin. */
export const closeWorkplace = (): Promise<void> => rm(join(ROOT, 'demo.pid'), { force: true });

/** Makes a site's two folders and writes its examples into its own. */
export const furnish = async (
  { data, state }: ReturnType<Workplace['site']>,
  shard: Examples,
): Promise<void> => {
  await mkdir(data, { recursive: true });
  await mkdir(state, { recursive: true });
  await writeFile(join(data, 'shard.npz'), encodeNpz(shard));
};
