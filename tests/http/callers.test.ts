import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathOf, ROUTES, type RouteId } from '../../core/protocol/http.ts';
import type { Route } from '../../core/protocol/route.ts';
import { newTokenKey } from '../../scripts/keys.ts';
import { signSite, tokenKey } from '../../durable/directory/site-token.ts';
import { Api, matrix, sumJob } from './api.ts';
import { ADMIN, type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
let api: Api;
let job: string;
const tokens: Record<string, string> = {};
const strangerKey = tokenKey(newTokenKey());

beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  tokens['admin'] = ADMIN;
  tokens['site'] = await api.site('alpha');
  tokens['enrolment'] = await api.enrolment();
  tokens['revoked'] = await api.site('revoked');
  tokens['anew'] = await api.site('anew');
  for (const name of ['revoked', 'anew']) {
    await api.json(`/v1/sites/${name}`, 200, { method: 'DELETE' });
  }
  await api.site('anew');
  tokens['used-up'] = await api.enrolment({ uses: 1 });
  await api.json('/v1/sites', 201, { token: tokens['used-up'], body: { name: 'beta' } });
  tokens['expired'] = await api.enrolment({ expiresIn: 1 });
  job = await api.submit(sumJob(await api.blob(matrix([1, 2]))));
  await new Promise((resolve) => setTimeout(resolve, 1000));
});
afterAll(() => server.stop());

/** Nothing of these exists: who may not ask is not told so. */
const NOWHERE = {
  id: '00000000-0000-7000-8000-000000000000',
  digest: `sha256-${'0'.repeat(64)}`,
  name: 'nobody',
  task: 'none',
};
const IDS = Object.keys(ROUTES) as RouteId[];
const routeOf = (id: RouteId): Route => ROUTES[id];
// Has every parameter of any route, which the types of one route can't say.
const path = (id: RouteId): string => pathOf(id, NOWHERE as never);
const methods = (id: RouteId): string[] => [
  ...routeOf(id).methods,
  ...(routeOf(id).head ? ['HEAD'] : []),
];

/** Every route and method, with a body that is no good: who may not call learns nothing of that either. */
const CALLS = IDS.flatMap((id) => methods(id).map((method) => [id, method] as const));
const call = (id: RouteId, method: string, token: string | null) =>
  api.call(path(id), { method, token, ...(/PUT|POST/.test(method) ? { body: '{"bad":' } : {}) });

const UNKNOWN: readonly (readonly [what: string, token: () => string | null])[] = [
  ['no token', () => null],
  ['an unknown token', () => 'not-a-token'],
  ['the admin token and a letter', () => `${ADMIN}x`],
  ['a site token of another key', () => signSite(strangerKey, { name: 'alpha', generation: 1 })],
  ['a site token with another name', () => (tokens['site'] ?? '').replace('alpha', 'alphb')],
  ['a site token with another generation', () => (tokens['site'] ?? '').replace('~1~', '~2~')],
  ['a site token cut short', () => (tokens['site'] ?? '').slice(0, -1)],
  ['an enrolment token nobody made', () => `${tokens['enrolment']}x`],
  ['an enrolment token that is used up', () => tokens['used-up'] ?? ''],
  ['an enrolment token that has expired', () => tokens['expired'] ?? ''],
  ['the token of a revoked site', () => tokens['revoked'] ?? ''],
  ['the token of a site before it enrolled anew', () => tokens['anew'] ?? ''],
];

describe.each(CALLS)('%s, %s', (id, method) => {
  const { who } = routeOf(id);
  test.each(who.length > 0 ? UNKNOWN : [])('%s: 401', async (_, token) => {
    const response = await call(id, method, token());
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  const roles = ['admin', 'site', 'enrolment'] as const;
  const others = roles.filter((role) => who.length > 0 && !who.includes(role));
  test.each(others)('%s: 403', async (role) => {
    const response = await call(id, method, tokens[role] ?? '');
    expect(response.status).toBe(403);
  });

  test('who may call is let in', async () => {
    const role = who[0];
    const { status } = await call(id, method, role === undefined ? null : (tokens[role] ?? ''));
    expect([200, 400, 404, 415, 422]).toContain(status);
  });
});

test.each(['Basic abc', 'Bearer', 'Bearer a b', 'bearer\tx'])(
  '%s is no bearer token',
  async (value) => {
    const headers = { authorization: value };
    await api.problem('/v1/jobs', 401, { token: null, headers });
  },
);

test('the scheme is case-insensitive', async () => {
  await api.json('/v1/jobs', 200, { token: null, headers: { authorization: `bEARER ${ADMIN}` } });
});

test.each(IDS)('%s: another method is 405 and names those there are', async (id) => {
  const response = await api.call(path(id), { method: 'PATCH', token: null });
  expect(response.status).toBe(405);
  const allow = response.headers.get('allow')?.split(', ') ?? [];
  const here = IDS.filter((other) => routeOf(other).path === routeOf(id).path);
  expect(allow.toSorted()).toEqual(here.flatMap(methods).toSorted());
});

test('what is on no path is 404', async () => {
  for (const missing of ['/', '/v1', '/v1/jobs/', '/v2/jobs', '/v1/jobs/x/y/z', '/%', '/v1/JOBS']) {
    await api.problem(missing, 404);
  }
});

test('a caller cannot say who it is', async () => {
  const headers = { 'x-tributary-caller': '{"role":"admin"}', 'x-tributary-fault': '1' };
  const own = { token: tokens['site'] ?? '', headers };
  // Only the admin may read a site's model; a site that says it is the admin is a site.
  await api.problem(`/v1/jobs/${job}/models/beta`, 403, own);
});

test('a revoked site is told so everywhere, and its name can be enrolled again', async () => {
  const token = await api.site('gone');
  await api.json(`/v1/jobs/${job}/task`, 200, { token });
  const revocation = await api.json('/v1/sites/gone', 200, { method: 'DELETE' });
  expect(revocation).toEqual({ site: 'gone', pending: [] });
  for (const at of [
    `/v1/jobs/${job}/task`,
    `/v1/jobs/${job}`,
    `/v1/jobs/${job}/spec`,
    '/v1/inbox',
  ]) {
    await api.problem(at, 401, { token });
  }
  await api.problem(`/v1/jobs/${job}/metrics`, 401, { token, body: { entries: [] } });
  const again = await api.json('/v1/sites/gone', 200, { method: 'DELETE' });
  expect(again).toEqual({ site: 'gone', pending: [] });
  const anew = await api.site('gone');
  await api.json(`/v1/jobs/${job}/task`, 200, { token: anew });
  await api.problem(`/v1/jobs/${job}/task`, 401, { token });
});

test('a revoked site reads nothing of a job that has finished either', async () => {
  const token = await api.site('reader');
  const stranger = await api.site('latecomer');
  const id = await api.submit(sumJob(await api.blob(matrix([1, 2])), { name: 'done' }));
  await api.json(`/v1/jobs/${id}/task`, 200, { token });
  await api.json(`/v1/jobs/${id}/abort`, 200, { method: 'POST' });
  const model = `/v1/jobs/${id}/models/global`;
  expect((await api.call(model, { token })).status).toBe(200);
  for (const name of ['reader', 'latecomer']) {
    const revocation = await api.json(`/v1/sites/${name}`, 200, { method: 'DELETE' });
    expect(revocation).toEqual({ site: name, pending: [] });
  }
  for (const at of ['', '/spec', '/task', '/models/global']) {
    await api.problem(`/v1/jobs/${id}${at}`, 401, { token });
    await api.problem(`/v1/jobs/${id}${at}`, 401, { token: stranger });
  }
});

test('a revoked site has its waiting poll ended', async () => {
  const token = await api.site('waiter');
  const id = await api.submit(
    sumJob(await api.blob(matrix([1, 2])), {
      name: 'later',
      minSites: 3,
      deploy: ['waiter', 'x*'],
    }),
  );
  const waiting = api.problem(`/v1/jobs/${id}/task?wait=25`, 401, { token });
  await api.json(`/v1/jobs/${id}`, 200, { token });
  await api.json('/v1/sites/waiter', 200, { method: 'DELETE' });
  await waiting;
});
