// How the bench talks with a process that it measures: it answers each line it reads with one line of JSON.
import { createInterface } from 'node:readline';
import { round } from './round.ts';
import type { Report, Step } from './round.ts';

/** Serves rounds to the parent process: each line that comes in is a number of runs, of so many steps each. */
export const serve = async (run: Step, about = '', steps = 1): Promise<void> => {
  const say = (report: Report): void => console.log(`#${JSON.stringify(report)}`);
  say({ ms: [], losses: [], about });
  for await (const line of createInterface({ input: process.stdin })) {
    const { ms, losses } = await round(run, Number(line));
    say({ ms: ms.map((of) => of / steps), losses });
  }
  process.exit(0);
};
