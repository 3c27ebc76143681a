import { jobOf } from '../../durable/stubs.ts';
import { type App, endpoint } from '../endpoint.ts';
import { forward } from '../forward.ts';

export function events(app: App): void {
  endpoint(app, 'getEvents', ({ c, env, caller, params }) =>
    forward(jobOf(env, params.id), '/events', c.req.raw, caller),
  );
}
