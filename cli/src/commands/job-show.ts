import type { Command } from '../command.ts';
import { jobText } from '../job-text.ts';
import { ServerApi } from '../server-api.ts';

export const jobShow: Command = {
  name: 'job show',
  summary: 'A job: status, round, sites, models, results',
  args: ['job'],
  options: {},
  async run({ args, out, admin, signal }) {
    const view = await new ServerApi(await admin(), signal).call('getJob', {
      id: args['job'] ?? '',
    });
    out.result(view, jobText(view));
  },
};
