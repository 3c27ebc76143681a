import { expect } from 'vitest';
import type { Finished, Report } from './campaign.ts';
import type { JobEvent } from './controller.ts';

/** Every job is complete. */
export function expectComplete({ finished }: Report): void {
  for (const { status, job } of finished) expect(status, job.name).toBe('FINISHED:COMPLETED');
}

/** Every final model and result is the calm run's; and the one computed without server and kit, where there is one. */
export function expectSame(stormy: Report, calm: Report): void {
  expect(stormy.finished.length).toBe(calm.finished.length);
  stormy.finished.forEach(({ job, sites, digest, results }, index) => {
    expect(digest, job.name).toBe(calm.finished[index]?.digest);
    expect(results, job.name).toEqual(calm.finished[index]?.results);
    if (job.expected) expect(digest, job.name).toBe(job.expected(sites));
  });
}

const keyOf = ({ task, site }: { readonly task?: unknown; readonly site?: unknown }): string =>
  `${String(task)} ${String(site)}`;

/** (task, site) of every reply that the server counted. */
const counted = ({ events }: Finished): string[] =>
  events.filter(({ event }) => event === 'reply').map(({ data }) => keyOf(data));

const closings = ({ events }: Finished): JobEvent[] =>
  events.filter(({ event, data }) => event === 'task' && data['state'] === 'closed');

/** What a site was told is there is there. `late` says that it is not. */
export function expectNoneLost({ finished, ledger }: Report): void {
  for (const one of finished) {
    const there = new Set(counted(one));
    const told = ledger.filter(({ job, status }) => job === one.id && status !== 'late');
    expect(told.length, one.job.name).toBeGreaterThan(0);
    expect(told.filter((line) => !there.has(keyOf(line)))).toEqual([]);
  }
}

/** No (task, site) is accepted twice, is in the books twice, or makes a task close with more replies than it has. */
export function expectNoneTwice({ finished, ledger }: Report): void {
  const accepted = ledger
    .filter(({ status }) => status === 'accepted')
    .map((line) => `${line.job} ${keyOf(line)}`);
  expect(new Set(accepted).size).toBe(accepted.length);
  for (const one of finished) {
    const replies = counted(one);
    expect(new Set(replies).size).toBe(replies.length);
    for (const { data } of closings(one)) {
      const own = replies.filter((key) => key.startsWith(`${String(data['task'])} `));
      expect(data['replies']).toBe(own.length);
    }
  }
}
