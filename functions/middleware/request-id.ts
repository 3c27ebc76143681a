import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../endpoint.ts';

/** Gives each request an id, its caller's where that is sane, and tells it in X-Request-Id: a log line's key. */
export const requestId = (): MiddlewareHandler<AppEnv> =>
  async function requestId(c, next) {
    const given = c.req.header('x-request-id') ?? '';
    const id = /^[\w.:-]{1,64}$/.test(given) ? given : crypto.randomUUID();
    c.set('requestId', id);
    await next();
    // Where the route has set it already, the answer isn't copied for one header: thousands may go out at once.
    if (!c.res.headers.has('x-request-id')) c.header('X-Request-Id', id);
  };
