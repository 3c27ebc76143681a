import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ROOT } from '../../scripts/build-worker.ts';

/** What one run of the command came to. */
export interface Ended {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of the command that goes on. */
export interface Running {
  /** All of stderr so far: where progress goes. */
  readonly said: () => string;
  /** As Ctrl-C and `kill` do. */
  readonly stop: (signal?: NodeJS.Signals) => void;
  readonly ended: Promise<Ended>;
}

export interface Where {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What is typed, or piped in. */
  readonly input?: string;
}

/** The command: a program and its first arguments. */
export type Command = readonly [string, ...string[]];

/** As the repository runs it. */
const HERE: Command = [process.execPath, join(ROOT, 'cli/bin/tributary.js')];

/** Starts the command in a process of its own, with nothing in its environment but what is given. */
export function start(
  args: readonly string[],
  where: Where = {},
  [program, ...first] = HERE,
): Running {
  const child = spawn(program, [...first, ...args], {
    env: { HOME: '/nowhere', ...where.env },
    ...(where.cwd !== undefined && { cwd: where.cwd }),
  });
  child.stdin.end(where.input ?? '');
  const heard = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (heard[name] += text));
  }
  const exit = (): void => void child.kill('SIGKILL');
  process.once('exit', exit);
  const ended = once(child, 'close').then(() => {
    process.off('exit', exit);
    return { code: child.exitCode, ...heard };
  });
  return { said: () => heard.stderr, stop: (signal = 'SIGINT') => void child.kill(signal), ended };
}

/** Starts the command; it ends with the test at the latest. */
export function startForTest(args: readonly string[], where: Where = {}): Running {
  const running = start(args, where);
  onTestFinished(async () => {
    running.stop('SIGKILL');
    await running.ended;
  });
  return running;
}

/** Runs the command to its end. */
export const tributary = (args: readonly string[], where?: Where): Promise<Ended> =>
  start(args, where).ended;

/** The one JSON value that stdout must be; its type is the caller's claim. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- saves each caller a cast
export function valueOf<T>({ code, stdout, stderr }: Ended): T {
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`exit ${code}, not one JSON value: ${stdout}\n${stderr}`);
  }
}

/** What a command that failed under `--json` says: nothing on stdout, the error as the last line of stderr. */
export function errorOf({ stdout, stderr }: Ended): Record<string, unknown> {
  if (stdout !== '') throw new Error(`stdout of a failure: ${stdout}`);
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return (JSON.parse(last) as { error: Record<string, unknown> }).error;
}
