import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const TETHER = new URL('tether.ts', import.meta.url).href;

const running = new Set<ChildProcess>();

const isOver = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

/** Starts a TypeScript file in a process of its own that doesn't outlive this one. */
export const startChild = (
  script: string,
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): ChildProcess => {
  const child = spawn(process.execPath, [...nodeOptions, '--import', TETHER, script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
};

/** Kills a process without warning (SIGKILL) and waits until it is gone. */
export const killChild = async (child: ChildProcess): Promise<void> => {
  if (isOver(child)) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
};

/** Asks a process to end, and kills it if it hasn't after `patienceMS`. */
export const stopChild = async (child: ChildProcess, patienceMS = 5000): Promise<void> => {
  if (isOver(child)) return;
  const gone = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMS);
  child.kill('SIGTERM');
  await gone;
  clearTimeout(timer);
};

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
