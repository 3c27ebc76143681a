import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api } from './api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

const FRIEND = 'https://app.example';
const STRANGER = 'https://elsewhere.example';

const get = (response: Response, header: string) => response.headers.get(header);

describe('with ALLOWED_ORIGINS', () => {
  let server: Server;
  let api: Api;
  beforeAll(async () => {
    server = await startServer({ env: { ALLOWED_ORIGINS: `https://other.example, ${FRIEND}` } });
    api = new Api(server);
  });
  afterAll(() => server.stop());

  test.each([
    ['/healthz', 200, {}],
    ['/v1/jobs', 200, {}],
    ['/v1/jobs', 401, { token: 'x' }],
    ['/v1/jobs', 405, { method: 'PATCH' }],
    ['/v1/jobs?limit=x', 400, {}],
    ['/v1/jobs', 415, { method: 'POST', body: 'x' }],
    ['/v1/jobs', 422, { body: {} }],
    [`/v1/blobs/sha256-${'0'.repeat(64)}`, 404, {}],
    ['/nowhere', 404, {}],
  ])('%s %d is readable from an allowed origin', async (path, status, call) => {
    const response = await api.call(path, { ...call, headers: { origin: FRIEND } });
    expect(response.status).toBe(status);
    expect(get(response, 'access-control-allow-origin')).toBe(FRIEND);
    expect(get(response, 'vary')).toContain('Origin');
    const exposed = get(response, 'access-control-expose-headers')?.split(', ');
    expect(exposed).toEqual(
      expect.arrayContaining(['ETag', 'Content-Range', 'Retry-After', 'Location']),
    );
  });

  test.each([STRANGER, 'null', `${FRIEND}.evil.example`])('not from %s', async (origin) => {
    const response = await api.call('/v1/jobs', { headers: { origin } });
    expect(response.status).toBe(200);
    expect(get(response, 'access-control-allow-origin')).toBeNull();
    // A cache must not give a stranger's answer to a friend.
    expect(get(response, 'vary')).toContain('Origin');
  });

  const preflight = (path: string, origin: string) =>
    api.call(path, {
      method: 'OPTIONS',
      token: null,
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization,content-range,repr-digest',
      },
    });

  test.each(['/v1/jobs', '/v1/jobs/x/tasks/y/result', '/nowhere'])(
    'preflight of %s',
    async (path) => {
      const response = await preflight(path, FRIEND);
      expect(response.status).toBe(204);
      expect(get(response, 'access-control-allow-origin')).toBe(FRIEND);
      expect(get(response, 'access-control-allow-methods')).toMatch(/\bPUT\b.*\bDELETE\b/);
      const headers = get(response, 'access-control-allow-headers')?.toLowerCase().split(', ');
      expect(headers).toEqual(
        expect.arrayContaining([
          'authorization',
          'content-type',
          'content-range',
          'repr-digest',
          'idempotency-key',
        ]),
      );
    },
  );

  test('a preflight from elsewhere is granted nothing', async () => {
    const response = await preflight('/v1/jobs', STRANGER);
    expect(get(response, 'access-control-allow-origin')).toBeNull();
    expect(get(response, 'access-control-allow-methods')).toBeNull();
  });

  test('OPTIONS by itself tells what a path takes', async () => {
    const response = await api.call('/v1/jobs', { method: 'OPTIONS', token: null });
    expect([response.status, get(response, 'allow')]).toEqual([204, 'POST, GET, HEAD, OPTIONS']);
  });
});

describe('ALLOWED_ORIGINS=* and none', () => {
  test.each([
    ['*', '*'],
    [undefined, null],
  ])('%s allows %s', async (setting, allowed) => {
    const server = await startServer(
      setting === undefined ? {} : { env: { ALLOWED_ORIGINS: setting } },
    );
    try {
      const response = await new Api(server).call('/v1/jobs', { headers: { origin: STRANGER } });
      expect(get(response, 'access-control-allow-origin')).toBe(allowed);
    } finally {
      await server.stop();
    }
  });
});
