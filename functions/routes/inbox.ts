import { directoryOf } from '../../durable/stubs.ts';
import { type App, endpoint, must } from '../endpoint.ts';

export function inbox(app: App): void {
  endpoint(app, 'getInbox', async ({ env, caller, reply }) =>
    reply(200, must(await directoryOf(env).inbox(caller))),
  );
}
