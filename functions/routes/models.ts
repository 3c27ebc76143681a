import { jobOf } from '../../durable/stubs.ts';
import { type App, endpoint } from '../endpoint.ts';
import { forward } from '../forward.ts';

export function models(app: App): void {
  endpoint(app, 'getModel', ({ c, env, caller, params }) => {
    const path = `/models/${encodeURIComponent(params.name)}`;
    return forward(jobOf(env, params.id), path, c.req.raw, caller);
  });

  endpoint(app, 'getJobBlob', ({ c, env, caller, params }) =>
    forward(jobOf(env, params.id), `/blobs/${params.digest}`, c.req.raw, caller),
  );
}
