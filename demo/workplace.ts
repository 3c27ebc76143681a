import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeNpz } from '../cli/src/data/npz.ts';
import type { Examples } from '../cli/src/data/dataset.ts';

/** Says that a folder is a demo's, and holds the process that is at work in it. */
const MARK = 'demo.pid';

/** Where everything of one run lies. */
export interface Workplace {
  readonly server: string;
  readonly profile: string;
  readonly safetensors: string;
  readonly onnx: string;
  /** A site's own examples, and its own state. */
  readonly site: (name: string) => { readonly data: string; readonly state: string };
  /** Lets the next demo begin here. */
  readonly close: () => Promise<void>;
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/**
 * Makes a folder ready: what an earlier demo left there is wiped, and nothing else; what this one leaves is kept, so
 * that its server can be started again. Throws where another demo is at work, or where something lies in the way.
 */
export const openWorkplace = async (folder: string): Promise<Workplace> => {
  const mark = join(folder, MARK);
  const sites = join(folder, 'sites');
  const paths = {
    server: join(folder, 'server'),
    profile: join(folder, 'profile.json'),
    safetensors: join(folder, 'model.safetensors'),
    onnx: join(folder, 'model.onnx'),
  };
  const made = [sites, ...Object.values(paths)];
  const owner = await readFile(mark, 'utf8').catch(() => undefined);
  const inTheWay = made.find((path) => existsSync(path));
  if (owner === undefined && inTheWay) throw new Error(`${inTheWay} is not of a demo`);
  if (Number(owner) > 0 && Number(owner) !== process.pid && isAlive(Number(owner))) {
    throw new Error(`another demo (process ${owner}) is at work in ${folder}`);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(mark, String(process.pid));
  for (const path of made) await rm(path, { recursive: true, force: true });
  return {
    ...paths,
    site: (name) => ({ data: join(sites, name, 'data'), state: join(sites, name, 'state') }),
    close: () => writeFile(mark, ''),
  };
};

/** Makes a site's two folders and writes its examples into its own. */
export const furnish = async (
  { data, state }: ReturnType<Workplace['site']>,
  shard: Examples,
): Promise<void> => {
  await mkdir(data, { recursive: true });
  await mkdir(state, { recursive: true });
  await writeFile(join(data, 'shard.npz'), encodeNpz(shard));
};
