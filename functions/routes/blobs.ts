import { blobOf } from '../../durable/stubs.ts';
import { type App, endpoint } from '../endpoint.ts';
import { forward } from '../forward.ts';

export function blobs(app: App): void {
  for (const id of ['putBlob', 'getBlob'] as const) {
    endpoint(app, id, ({ c, env, caller, params }) =>
      forward(blobOf(env, params.digest), `/blobs/${params.digest}`, c.req.raw, caller),
    );
  }
}
