import type { Command } from '../command.ts';
import { ServerApi } from '../server-api.ts';

export const siteRevoke: Command = {
  name: 'site revoke',
  summary: "End a site's access; its name may be enrolled again",
  args: ['site'],
  options: {},
  async run({ args, out, admin, signal }) {
    const name = args['site'] ?? '';
    const revocation = await new ServerApi(await admin(), signal).call('revokeSite', { name });
    const { pending } = revocation;
    const rest = pending.length > 0 ? `; still to be told: ${pending.join(', ')}` : '';
    out.result(revocation, `revoked ${revocation.site}${rest}`);
  },
};
