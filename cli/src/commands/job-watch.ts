import { isFinished } from '../../../core/protocol/job-status.ts';
import type { Command, Context, OptionSpec } from '../command.ts';
import { CommandError } from '../exit-code.ts';
import type { ExitName } from '../exit-code.ts';
import { eventText } from '../event-text.ts';
import { jobLine } from '../job-text.ts';
import { ServerApi } from '../server-api.ts';
import { watchJob } from '../watch.ts';

export const watchOptions = {
  timeout: { type: 'string', value: 'SECONDS', help: 'stop watching after so long (never)' },
} as const satisfies Record<string, OptionSpec>;

/** Tries of one request: a watcher sits out a server's restart of about a minute. */
const ATTEMPTS = 12;

/** Watches a job to its end, prints its last state and tells by the exit code whether it was completed. */
export const watchToTheEnd = async (context: Context, id: string): Promise<ExitName> => {
  const { options, out, admin, signal } = context;
  const seconds = options.number('timeout');
  const limit = seconds === undefined ? undefined : AbortSignal.timeout(seconds * 1000);
  const until = limit ? AbortSignal.any([signal, limit]) : signal;
  const api = new ServerApi(await admin(), until, ATTEMPTS);
  try {
    const view = await watchJob(
      api,
      id,
      {
        onEvent: (event) => out.progress(eventText(event)),
        onView: (view) => out.progress(jobLine(view)),
        onTrouble: out.progress,
      },
      until,
    );
    out.result(view, jobLine(view));
    return isFinished(view.status) && view.status !== 'FINISHED:COMPLETED' ? 'unsuccessful' : 'ok';
  } catch (error) {
    if (limit?.aborted && !signal.aborted) {
      throw new CommandError('timeout', `job ${id} was not finished after ${seconds} s`);
    }
    throw error;
  }
};

export const jobWatch: Command = {
  name: 'job watch',
  summary: 'Follow a job to its end; the exit code is 5 if it does not complete',
  args: ['job'],
  options: watchOptions,
  run: (context) => watchToTheEnd(context, context.args['job'] ?? ''),
};
