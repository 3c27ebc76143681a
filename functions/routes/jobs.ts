import { namesTag } from '../../durable/http/entity-tag.ts';
import { directoryOf, jobOf } from '../../durable/stubs.ts';
import { type App, endpoint, must } from '../endpoint.ts';
import { pageOf } from '../page.ts';

export function jobs(app: App): void {
  endpoint(
    app,
    'createJob',
    async ({ env, body, key, reply }) => {
      const job = must(await directoryOf(env).submit(body, key));
      return reply(201, job, { location: `/v1/jobs/${job.id}` });
    },
    // The directory checks the whole spec, its shape included.
    { unchecked: true },
  );

  endpoint(app, 'listJobs', async ({ env, query, reply }) =>
    reply(200, must(await directoryOf(env).jobs(pageOf(query)))),
  );

  endpoint(app, 'getJob', async ({ c, env, caller, params, query, reply }) => {
    const { since, wait } = query;
    const view = must(await jobOf(env, params.id).view(caller, since, wait));
    // Weak: `lastSeen` moves without a new version, and nobody wants an answer for each poll of a site.
    const etag = `W/"${view.version}"`;
    if (namesTag(c.req.header('if-none-match'), etag)) return reply(304, null, { etag });
    return reply(200, view, { etag, 'cache-control': 'private, no-cache' });
  });

  endpoint(app, 'getSpec', async ({ env, caller, params, reply }) =>
    reply(200, must(await jobOf(env, params.id).spec(caller))),
  );

  endpoint(app, 'abortJob', async ({ env, caller, params, reply }) =>
    reply(200, must(await jobOf(env, params.id).abort(caller))),
  );

  endpoint(app, 'resumeJob', async ({ env, caller, params, reply }) =>
    reply(200, must(await jobOf(env, params.id).resume(caller))),
  );

  endpoint(app, 'cloneJob', async ({ env, params, key, reply }) => {
    const job = must(await directoryOf(env).clone(params.id, key));
    return reply(201, job, { location: `/v1/jobs/${job.id}` });
  });

  endpoint(app, 'deleteJob', async ({ env, params, reply }) => {
    must(await directoryOf(env).remove(params.id));
    return reply(204, null);
  });
}
