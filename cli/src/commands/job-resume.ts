import type { Command } from '../command.ts';
import { ServerApi } from '../server-api.ts';

export const jobResume: Command = {
  name: 'job resume',
  summary: 'Go on with a suspended job',
  args: ['job'],
  options: {},
  async run({ args, out, admin, signal }) {
    const view = await new ServerApi(await admin(), signal).call('resumeJob', {
      id: args['job'] ?? '',
    });
    out.result(view, `${view.id} ${view.status}${view.reason ? `: ${view.reason}` : ''}`);
  },
};
