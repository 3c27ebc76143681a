import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TRIES = 20;
const TRY_MS = 25;

/** A process, told from a later one with the same number by when it started. */
interface Owner {
  readonly pid: number;
  readonly started: string;
}

/** When a process started, in its system's words; null where there is none. */
function startOf(pid: number): string | null {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8' }).trim();
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields after the command, which may hold anything: state first, the start time 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

const isAlive = ({ pid, started }: Owner): boolean => startOf(pid) === started;

function read(file: string): Owner | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner;
  } catch {
    return null;
  }
}

/**
 * Takes a data folder for this process; the lock of a dead one is taken over. Gives a function that lets go.
 * Throws where a living process has the folder: two servers on one database would ruin it.
 */
export function lock(dir: string): () => void {
  const file = join(dir, 'server.lock');
  const me: Owner = { pid: process.pid, started: startOf(process.pid) ?? '' };
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      writeFileSync(file, JSON.stringify(me), { flag: 'wx' });
      return () => {
        if (read(file)?.pid === me.pid) rmSync(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = read(file);
    if (owner && isAlive(owner)) {
      throw new Error(`${dir} is in use by another server (process ${owner.pid})`);
    }
    // Made a moment ago and not yet written, or cut short by a crash: which one, the next tries tell.
    if (!owner && tries < TRIES / 2) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TRY_MS);
      continue;
    }
    // Only one of several that find a dead lock gets to move it away; a lock taken meanwhile is put back.
    const aside = `${file}.${process.pid}`;
    try {
      renameSync(file, aside);
    } catch {
      continue;
    }
    const moved = read(aside);
    if (moved && isAlive(moved)) renameSync(aside, file);
    else rmSync(aside, { force: true });
  }
  throw new Error(`${dir} could not be locked`);
}
