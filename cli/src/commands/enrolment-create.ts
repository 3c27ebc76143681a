import type { Command } from '../command.ts';
import { timeText } from '../output.ts';
import { ServerApi } from '../server-api.ts';

export const enrolmentCreate: Command = {
  name: 'enrolment create',
  summary: 'Make a token with which sites enrol themselves',
  args: [],
  options: {
    uses: { type: 'string', value: 'N', help: 'how many sites may use it (1)' },
    'expires-in': { type: 'string', value: 'SECONDS', help: 'how long it is good for (7 days)' },
  },
  async run({ options, out, admin, server, signal }) {
    const uses = options.number('uses', { min: 1, integer: true });
    const expiresIn = options.number('expires-in', { min: 1, integer: true });
    const enrolment = await new ServerApi(await admin(), signal).call(
      'createEnrolment',
      {},
      { ...(uses !== undefined && { uses }), ...(expiresIn !== undefined && { expiresIn }) },
    );
    out.result(
      enrolment,
      [
        enrolment.token,
        `  for ${enrolment.uses} site(s), until ${timeText(enrolment.expires)}; it is shown only now`,
        `  tributary site run --server ${await server()} --name NAME --enrolment ${enrolment.token} --data DIR`,
      ].join('\n'),
    );
  },
};
