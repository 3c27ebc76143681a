import type { Context } from 'hono';
import { type App, type AppEnv } from '../endpoint.ts';
import { Refusal } from '../problem.ts';

/** What the two pages and all that they load may do: only what comes from this server, and no script in the page itself. */
const policy = (...more: readonly string[]): string =>
  [
    "default-src 'none'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    ...more,
  ].join('; ');

/** Runs WebAssembly and workers. */
const TRAINS = policy("script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self'");
const SHOWS = policy("script-src 'self'");

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  npz: 'application/zip',
  svg: 'image/svg+xml',
  wasm: 'application/wasm',
};

/** A file of the dashboard's, whatever serves it: Cloudflare's assets, or workerd's disk. */
async function file(c: Context<AppEnv>, path: string, own: Record<string, string>) {
  const { method } = c.req.raw;
  if (method !== 'GET' && method !== 'HEAD') {
    throw new Refusal({ reason: 'method-not-allowed', allow: ['GET', 'HEAD'] });
  }
  const found = await c.env.ASSETS?.fetch(`http://assets/${path}`);
  const type = TYPES[path.slice(path.lastIndexOf('.') + 1)];
  if (found?.status !== 200 || type === undefined) {
    await found?.body?.cancel();
    throw new Refusal({ reason: 'not-found', what: 'path' });
  }
  const headers = {
    'content-type': type,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    // Isolated from other origins, a page may have threads.
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'cross-origin-resource-policy': 'same-origin',
    ...own,
  };
  if (method === 'GET') return new Response(found.body, { headers });
  await found.body?.cancel();
  return new Response(null, { headers });
}

/** A page for devices that join, one for a job, and their files, whose names change with their content. */
export function pages(app: App): void {
  const page = (path: string, name: string, csp: string): void => {
    app.all(path, (c) =>
      file(c, name, { 'content-security-policy': csp, 'cache-control': 'no-cache' }),
    );
  };
  page('/join', 'join.html', TRAINS);
  page('/jobs/:id', 'job.html', SHOWS);
  app.all('/assets/:name{[A-Za-z0-9_-][A-Za-z0-9._-]*}', (c) =>
    file(c, `assets/${c.req.param('name')}`, {
      'content-security-policy': TRAINS,
      'cache-control': 'public, max-age=31536000, immutable',
    }),
  );
}
