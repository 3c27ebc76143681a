// A contestant as the bench sees it: something that runs rounds of steps and says how long each took.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Report } from './round.ts';

export interface Contestant {
  /** What it said of itself: versions, backend. */
  readonly about: string;
  /** Runs some steps; milliseconds of each. */
  round(steps: number): Promise<Report>;
  stop(): Promise<void>;
}

/** Longer than any step takes, even of the slowest and on a busy machine. */
const PATIENCE_MS = 300_000;

/** Starts a process that talks as line.ts does, and waits until it is ready. Rejects with what it said on the way down. */
export const startProcess = async (
  command: string,
  args: readonly string[],
): Promise<Contestant> => {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const said: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const report = async (): Promise<Report> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    try {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`${args.join(' ')}: ${said.join('').trim().slice(-2000)}`);
        if (value.startsWith('#')) return JSON.parse(value.slice(1)) as Report;
      }
    } finally {
      clearTimeout(timer);
    }
  };
  const { about = '' } = await report();
  return {
    about,
    round: async (steps) => {
      child.stdin.write(`${steps}\n`);
      return await report();
    },
    stop: async () => {
      child.stdin.end();
      await new Promise((done) => child.once('close', done));
    },
  };
};
