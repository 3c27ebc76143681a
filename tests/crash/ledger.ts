import { existsSync, readFileSync } from 'node:fs';

/** One acknowledged result. */
export interface Acknowledged {
  readonly job: string;
  readonly task: string;
  readonly site: string;
  /** What the server said: `accepted`, `duplicate` or `late`. */
  readonly status: string;
}

export const lineOf = ({ job, task, site, status }: Acknowledged): string =>
  `${[job, task, site, status].join(' ')}\n`;

/** Reads a ledger. A line cut by a kill was never acted upon: it has no end and is left out. */
export function readLedger(path: string): readonly Acknowledged[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [job = '', task = '', site = '', status = ''] = line.split(' ');
    return { job, task, site, status };
  });
}
