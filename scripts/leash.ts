import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TUNABLES, WORKERD } from './workerd.ts';

/** A process's command line. Throws where there is no such process. */
const commandOf = (pid: number): string =>
  process.platform === 'linux'
    ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    : execFileSync('ps', ['-o', 'command=', '-p', `${pid}`], { encoding: 'utf8' });

/** Kills the process whose number is in a file, if it is what it should be: workerd. */
function killOwn(file: string): void {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    if (pid > 1 && commandOf(pid).includes('workerd')) process.kill(pid, 'SIGKILL');
  } catch {
    // No such file or process: nothing to kill.
  }
}

/**
 * Makes workerd die with this process, however this process dies. Miniflare starts workerd; a SIGKILL of Miniflare's
 * process alone would leave it running, with the port and the database. So workerd is started through a script that
 * writes its number down, and a shell waits on a pipe from here: when the pipe ends, it kills that number.
 * Gives what Miniflare must find in MINIFLARE_WORKERD_PATH, and a function that kills workerd and cleans up.
 */
export function leash(dir: string): { readonly path: string; readonly release: () => void } {
  const pidFile = join(dir, 'workerd.pid');
  const path = join(dir, 'workerd.sh');
  killOwn(pidFile);
  rmSync(pidFile, { force: true });
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const script = [
    '#!/bin/sh',
    `echo $$ > ${quote(pidFile)}`,
    `export GLIBC_TUNABLES=${TUNABLES}`,
    `exec ${quote(WORKERD)} "$@"`,
  ];
  writeFileSync(path, `${script.join('\n')}\n`);
  chmodSync(path, 0o755);
  const onEnd = 'read _; read pid < "$1" && kill -9 "$pid"';
  const watcher = spawn('sh', ['-c', onEnd, 'sh', pidFile], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  return {
    path,
    release: () => {
      killOwn(pidFile);
      watcher.kill('SIGKILL');
      rmSync(pidFile, { force: true });
      rmSync(path, { force: true });
    },
  };
}
