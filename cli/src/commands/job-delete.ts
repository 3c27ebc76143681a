import type { Command } from '../command.ts';
import { ServerApi } from '../server-api.ts';

export const jobDelete: Command = {
  name: 'job delete',
  summary: 'Delete a job and all it keeps; aborts it first',
  args: ['job'],
  options: {},
  async run({ args, out, admin, signal }) {
    const id = args['job'] ?? '';
    await new ServerApi(await admin(), signal).call('deleteJob', { id });
    out.result({ id, deleted: true }, `deleted ${id}`);
  },
};
