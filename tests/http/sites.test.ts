import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api } from './api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';

let server: Server;
let api: Api;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
  await api.site('alpha');
});
afterAll(() => server.stop());

test('sites come by name', async () => {
  await api.site('beta');
  const first = await api.json('/v1/sites?limit=1', 200);
  expect(first).toMatchObject({ sites: [{ name: 'alpha', status: 'active' }], next: 'alpha' });
  const second = await api.json('/v1/sites?limit=1&cursor=alpha', 200);
  expect(second).toMatchObject({ sites: [{ name: 'beta' }], next: null });
});

describe('enrolments', () => {
  test('expire', async () => {
    const token = await api.enrolment({ expiresIn: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { detail } = await api.problem('/v1/sites', 401, { token, body: { name: 'late' } });
    expect(detail).toContain('expired');
  });

  test('are good for as many sites as they say', async () => {
    const token = await api.enrolment({ uses: 2 });
    await api.json('/v1/sites', 201, { token, body: { name: 'one' } });
    const capabilities = { gpu: true, cores: 8, runtime: 'onnx' };
    await api.json('/v1/sites', 201, { token, body: { name: 'two', capabilities } });
    await api.problem('/v1/sites', 401, { token, body: { name: 'three' } });
    const { sites } = await api.json<{ sites: { name: string }[] }>('/v1/sites', 200);
    expect(sites.find(({ name }) => name === 'two')).toMatchObject({ capabilities });
  });

  test('a taken name is a conflict, and costs no use', async () => {
    const token = await api.enrolment({ uses: 1 });
    const { code } = await api.problem('/v1/sites', 409, { token, body: { name: 'alpha' } });
    expect(code).toBe('CONFLICT');
    await api.json('/v1/sites', 201, { token, body: { name: 'free' } });
  });

  test.each([
    '',
    'Alpha',
    '-a',
    'global',
    'best',
    'server',
    'a b',
    'a/b',
    'ä',
    'a'.repeat(64),
    'x\u0000',
  ])('the name %j is refused', async (name) => {
    const token = await api.enrolment();
    const { errors } = await api.problem('/v1/sites', 422, { token, body: { name } });
    expect(errors?.[0]?.path).toBe('name');
  });

  test('a name of 63 characters is fine', async () => {
    const token = await api.enrolment();
    await api.json('/v1/sites', 201, { token, body: { name: 'a'.repeat(63) } });
  });

  test('revoking a site nobody enrolled is 404', async () => {
    await api.problem('/v1/sites/nobody', 404, { method: 'DELETE' });
    await api.problem('/v1/sites/%00', 404, { method: 'DELETE' });
  });
});
