import type { Command } from '../command.ts';
import { table, timeText } from '../output.ts';
import { ServerApi } from '../server-api.ts';

export const siteList: Command = {
  name: 'site list',
  summary: 'Sites, by name',
  args: [],
  options: { limit: { type: 'string', value: 'N', help: 'at most so many (1000)' } },
  async run({ options, out, admin, signal }) {
    const limit = options.number('limit', { min: 1, integer: true }) ?? 1000;
    const sites = await new ServerApi(await admin(), signal).sites(limit);
    const rows = sites.map((site) => [
      site.name,
      site.status,
      timeText(site.enrolled),
      timeText(site.lastSeen),
    ]);
    out.result(
      { sites },
      sites.length > 0 ? table(['SITE', 'STATUS', 'ENROLLED', 'LAST SEEN'], rows) : 'no sites',
    );
  },
};
