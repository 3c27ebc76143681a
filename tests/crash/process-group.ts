import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

const live = new Set<number>();

const killAll = (): void => {
  for (const pid of live) killGroup(pid);
  live.clear();
};

/** SIGKILL to a process and all that it started. False if there is nothing left to kill. */
const killGroup = (pid: number): boolean => {
  try {
    return process.kill(-pid, 'SIGKILL');
  } catch {
    return false;
  }
};

// Whatever way this process ends, what it started ends too: groups of their own get no Ctrl-C.
process.once('exit', killAll);
process.once('disconnect', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}

export interface GroupOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** File that gets what it prints (errors only, where `onLine` takes its output). */
  readonly log: string;
  readonly onLine?: (line: string) => void;
}

/** A process that leads its own group, so that one SIGKILL ends it with all its children. */
export class ProcessGroup {
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;

  constructor({ command, args, env, cwd, log, onLine }: GroupOptions) {
    const file = openSync(log, 'a');
    this.#child = spawn(command, args, {
      detached: true,
      // Its standard input is a pipe: a child of ours that watches it notices when we are gone.
      stdio: ['pipe', onLine ? 'pipe' : file, file],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    closeSync(file);
    const { pid, stdout, stdin } = this.#child;
    stdin?.on('error', () => undefined);
    if (pid !== undefined) live.add(pid);
    if (onLine && stdout) readLines(stdout, onLine);
    this.#gone = new Promise((resolve) => {
      const over = (): void => {
        if (pid !== undefined) live.delete(pid);
        resolve();
      };
      this.#child.once('exit', over);
      this.#child.once('error', over);
    });
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What became of it, for messages. */
  get fate(): string {
    const { exitCode, signalCode } = this.#child;
    return signalCode ?? (exitCode === null ? 'running' : `exit code ${exitCode}`);
  }

  /** Kills the group and resolves when its leader is gone. */
  async kill(): Promise<void> {
    if (this.#child.pid !== undefined) killGroup(this.#child.pid);
    await this.#gone;
  }
}

const readLines = (stream: NodeJS.ReadableStream, onLine: (line: string) => void): void => {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
};
