import type { Command } from '../command.ts';
import { table, timeText } from '../output.ts';
import { ServerApi } from '../server-api.ts';

export const jobList: Command = {
  name: 'job list',
  summary: 'Jobs, newest first',
  args: [],
  options: { limit: { type: 'string', value: 'N', help: 'at most so many (100)' } },
  async run({ options, out, admin, signal }) {
    const limit = options.number('limit', { min: 1, integer: true }) ?? 100;
    const jobs = await new ServerApi(await admin(), signal).jobs(limit);
    const rows = jobs.map(({ id, name, status, submitted }) => [
      id,
      name,
      status,
      timeText(submitted),
    ]);
    out.result(
      { jobs },
      jobs.length > 0 ? table(['JOB', 'NAME', 'STATUS', 'SUBMITTED'], rows) : 'no jobs',
    );
  },
};
