import { jobOf } from '../../durable/stubs.ts';
import { type App, endpoint, must } from '../endpoint.ts';
import { forward } from '../forward.ts';

export function tasks(app: App): void {
  endpoint(app, 'pollTask', async ({ env, caller, params, query, reply }) =>
    reply(200, must(await jobOf(env, params.id).poll(caller, query.wait ?? 0))),
  );

  endpoint(app, 'renewLease', async ({ env, caller, params, reply }) =>
    reply(200, must(await jobOf(env, params.id).lease(caller, params.task))),
  );

  endpoint(app, 'putResult', ({ c, env, caller, params }) => {
    const path = `/tasks/${encodeURIComponent(params.task)}/result`;
    return forward(jobOf(env, params.id), path, c.req.raw, caller);
  });
}
