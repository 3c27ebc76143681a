import type { MiddlewareHandler } from 'hono';
import { LIMITS } from '../../core/protocol/limits.ts';
import { Body } from '../../durable/bytes/body.ts';
import type { AppEnv } from '../endpoint.ts';

/** Reads and drops a body that nobody wanted, as far as a part may be long, so that its sender sees the answer. */
export const drain = (): MiddlewareHandler<AppEnv> =>
  async function drain(c, next) {
    await next();
    const { body, bodyUsed } = c.req.raw;
    if (body && !bodyUsed && !body.locked) await new Body(body).drain(LIMITS.partBytes);
  };
