import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Keys never begin with a dot. */
const NAME = '.lock';
const TRIES = 20;
const TRY_MS = 25;

/** A process, told from a later one with the same number by when it started. */
interface Owner {
  readonly pid: number;
  readonly started: string;
  /** One of several sites of one process. */
  readonly id: string;
}

/** When a process started, in its system's words; null where there is none, '' where the system doesn't say. */
const startOf = (pid: number): string | null => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process lives too.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return null;
  }
  if (process.platform === 'win32') return '';
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8' }).trim();
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields after the command, which may hold anything: state first, the start time 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${boot} ${fields[19]}`;
  } catch {
    return null;
  }
};

const isAlive = ({ pid, started }: Owner): boolean => startOf(pid) === started;

const read = async (file: string): Promise<Owner | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
};

/**
 * Takes a folder for one site of this process; the lock of a dead process is taken over. Gives what lets go of it.
 * Rejects with Error where a living site has the folder: two would send and delete each other's results.
 */
export const lockFolder = async (folder: string): Promise<() => Promise<void>> => {
  const file = join(folder, NAME);
  const me: Owner = {
    pid: process.pid,
    started: startOf(process.pid) ?? '',
    id: crypto.randomUUID(),
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      await writeFile(file, JSON.stringify(me), { flag: 'wx', mode: 0o600 });
      return async () => {
        if ((await read(file))?.id === me.id) await rm(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = await read(file);
    if (owner && isAlive(owner)) {
      throw new Error(`${folder} is in use by another site (process ${owner.pid})`);
    }
    // Made a moment ago and not yet written, or cut short by a crash: which one, the next tries tell.
    if (!owner && attempt < TRIES / 2) {
      await new Promise((resolve) => setTimeout(resolve, TRY_MS));
      continue;
    }
    // Only one of several that find a dead lock gets to move it away; a lock taken meanwhile is put back.
    const aside = `${file}.${me.id}`;
    try {
      await rename(file, aside);
    } catch {
      continue;
    }
    const moved = await read(aside);
    if (moved && isAlive(moved)) await rename(aside, file);
    else await rm(aside, { force: true });
  }
  throw new Error(`${folder} can not be locked`);
};
