import type { Command } from '../command.ts';
import { ServerApi } from '../server-api.ts';

export const jobClone: Command = {
  name: 'job clone',
  summary: "Submit a job's spec again",
  args: ['job'],
  options: {},
  async run({ args, out, admin, signal }) {
    const job = await new ServerApi(await admin(), signal).call('cloneJob', {
      id: args['job'] ?? '',
    });
    out.result(job, job.id);
  },
};
