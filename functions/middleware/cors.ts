import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../endpoint.ts';

const METHODS = 'GET, HEAD, POST, PUT, DELETE, OPTIONS';
const HEADERS = [
  'Authorization',
  'Content-Type',
  'Content-Range',
  'Repr-Digest',
  'Range',
  'If-None-Match',
  'If-Range',
  'Idempotency-Key',
  'Last-Event-ID',
  'X-Request-Id',
].join(', ');
const EXPOSED = [
  'ETag',
  'Content-Range',
  'Accept-Ranges',
  'Content-Length',
  'Retry-After',
  'Location',
  'X-Request-Id',
].join(', ');

/** The value of Access-Control-Allow-Origin for an origin; null where it may not call from a browser. */
function allowedOrigin(origin: string | undefined, allowed: string | undefined): string | null {
  if (origin === undefined || !allowed) return null;
  const origins = allowed.split(',').map((text) => text.trim());
  if (origins.includes('*')) return '*';
  return origins.includes(origin) ? origin : null;
}

/** CORS from ALLOWED_ORIGINS on every answer, errors included, and the answers to preflights. */
export const cors = (): MiddlewareHandler<AppEnv> =>
  async function cors(c, next) {
    const origin = allowedOrigin(c.req.header('origin'), c.env.ALLOWED_ORIGINS);
    const preflight =
      c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
    if (preflight) c.res = new Response(null, { status: 204 });
    else await next();
    if (c.env.ALLOWED_ORIGINS && origin !== '*') c.header('Vary', 'Origin', { append: true });
    if (origin === null) return;
    c.header('Access-Control-Allow-Origin', origin);
    c.header('Access-Control-Expose-Headers', EXPOSED);
    if (!preflight) return;
    c.header('Access-Control-Allow-Methods', METHODS);
    c.header('Access-Control-Allow-Headers', HEADERS);
    c.header('Access-Control-Max-Age', '7200');
  };
