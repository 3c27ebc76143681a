import { directoryOf } from '../../durable/stubs.ts';
import { type App, endpoint, must } from '../endpoint.ts';
import { pageOf } from '../page.ts';

export function sites(app: App): void {
  endpoint(app, 'enrolSite', async ({ env, caller, body, key, reply }) =>
    reply(201, must(await directoryOf(env).register(caller.token, body, key))),
  );

  endpoint(app, 'listSites', async ({ env, query, reply }) =>
    reply(200, must(await directoryOf(env).sites(pageOf(query)))),
  );

  endpoint(app, 'revokeSite', async ({ env, params, reply }) => {
    const revocation = must(await directoryOf(env).revokeSite(params.name));
    return reply(revocation.pending.length === 0 ? 200 : 202, revocation);
  });
}
