import { vi } from 'vitest';
import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { constant, newJob } from './job-fixture.ts';
import type { TestJob } from './job-fixture.ts';

/** A second, in ms. */
export const S = 1000;
/** The time that a job sees: it stands still until a test moves it. */
export const clock = { now: 0 };
export const pass = (ms: number): void => {
  clock.now += ms;
  vi.spyOn(Date, 'now').mockReturnValue(clock.now);
};

export const FULL: FLModelHeader = { params_type: 'FULL' };

/** A job of one fed-avg round whose sites have all joined and taken the task. */
export async function training(
  args: Record<string, unknown>,
  {
    sites = ['a', 'b', 'c'],
    take = sites,
    ...spec
  }: Partial<JobSpecInput> & { sites?: string[]; take?: string[] } = {},
) {
  clock.now = Date.now();
  pass(0);
  const workflows = [
    { id: 'train', use: 'fed-avg', args: { rounds: 1, selection: 'none', ...args } },
  ];
  const job = await newJob({ workflows, ...spec }, { sites });
  for (const name of sites) await job.poll(name);
  for (const name of take) await job.poll(name);
  const send = (name: string, value = 1) => job.reply(name, 't1', FULL, constant(value));
  const fail = (name: string, code: FLModelHeader['return_code'] = 'EXECUTION_EXCEPTION') =>
    job.reply(name, 't1', { return_code: code });
  /** What the alarm does when its time has come. */
  const later = async (ms: number) => {
    // Step by step, as a living server would: an alarm that is late would count as an outage.
    for (let left = ms; left > 0; left -= S) {
      pass(Math.min(left, S));
      const due = await job.inside(
        (_, sql) => sql.exec<{ due: number | null }>('SELECT due FROM alarm').one().due,
      );
      if (due !== null && due <= clock.now) await job.alarm();
    }
    return job.view();
  };
  return { job, send, fail, later };
}

/** What each site is doing. */
export const states = async (job: TestJob) =>
  Object.fromEntries((await job.view()).sites.map(({ name, state }) => [name, state]));
