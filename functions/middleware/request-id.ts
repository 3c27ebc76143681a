import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../endpoint.ts';

/** Gives each request an id, its caller's where that is sane, and tells it in X-Request-Id: a log line's key. */
export const requestId = (): MiddlewareHandler<AppEnv> =>
  async function requestId(c, next) {
    const given = c.req.header('x-request-id') ?? '';
    const id = /^[\w.:-]{1,64}$/.test(given) ? given : crypto.randomUUID();
    c.set('requestId', id);
    await next();
    c.header('X-Request-Id', id);
  };
