import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { DemoResult } from '../../demo/summary.ts';
import { ROOT } from '../../scripts/build-worker.ts';

/** A demo that runs as `npm run demo -- --json` does. */
export interface Demo {
  readonly pid: number;
  /** What a person sees meanwhile. */
  readonly said: () => string;
  /** Its exit code and all of its stdout. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string }>;
  /** The object that the last line of its stdout is. Rejects where it fails. */
  readonly result: () => Promise<DemoResult>;
  readonly kill: () => void;
}

/** Starts a demo whose files all go into `data`. */
export function startDemo(data: string, args: readonly string[]): Demo {
  const child = spawn(
    process.execPath,
    [join(ROOT, 'demo/main.ts'), '--json', '--data', data, ...args],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const heard = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (heard[name] += text));
  }
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'close').then(() => {
    process.off('exit', kill);
    return { code: child.exitCode, stdout: heard.stdout };
  });
  return {
    pid: child.pid ?? 0,
    said: () => heard.stderr,
    ended,
    result: async () => {
      const { code, stdout } = await ended;
      if (code !== 0) throw new Error(`exit ${code}: ${heard.stderr}`);
      return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as DemoResult;
    },
    kill,
  };
}

/** Command lines of all processes that work in a folder: whoever a demo starts is told where. */
export function processesIn(folder: string): string[] {
  const all = execFileSync('ps', ['axww', '-o', 'args='], { encoding: 'utf8' });
  return all.split('\n').filter((line) => line.includes(folder));
}
