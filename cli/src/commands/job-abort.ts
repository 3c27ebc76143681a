import type { Command } from '../command.ts';
import { ServerApi } from '../server-api.ts';

export const jobAbort: Command = {
  name: 'job abort',
  summary: 'Abort a job; its sites stop',
  args: ['job'],
  options: {},
  async run({ args, out, admin, signal }) {
    const view = await new ServerApi(await admin(), signal).call('abortJob', {
      id: args['job'] ?? '',
    });
    out.result(view, `${view.id} ${view.status}${view.reason ? `: ${view.reason}` : ''}`);
  },
};
