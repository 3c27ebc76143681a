import { expect, test } from 'vitest';
import { FakeServer, problem } from '../tests/fake-server.ts';
import { Connection } from './connection.ts';
import { identify } from './identity.ts';
import type { Identity, IdentityOptions } from './identity.ts';
import { MemoryStore, readJson } from './store.ts';

const start = () => {
  const server = new FakeServer();
  const store = new MemoryStore();
  const connection = new Connection({
    server: server.url,
    fetch: server.fetch,
    pause: () => Promise.resolve(),
  });
  const as = (options: IdentityOptions): Promise<Identity> =>
    identify(connection, store, { name: 'a', ...options });
  return { server, store, as };
};

test('a revoked site comes back with a new enrolment, and stays out with the one it came from', async () => {
  const { server, as } = start();
  const first = await as({ enrolment: 'ticket' });
  server.revoke('a');
  // Nothing new is asked of it: it goes on being who it was, and the server says that this is nobody.
  expect(await as({ enrolment: 'ticket' })).toEqual(first);
  expect(await as({})).toEqual(first);
  const second = await as({ enrolment: 'another' });
  expect(second.token).not.toBe(first.token);
  expect(await as({})).toEqual(second);
  expect(await as({ enrolment: 'another' })).toEqual(second);
});

test('a new enrolment changes nothing for a site that is known', async () => {
  const { server, as } = start();
  const first = await as({ enrolment: 'ticket' });
  expect(await as({ enrolment: 'another' })).toEqual(first);
  expect(server.count('POST', /sites/)).toBe(1);
});

test('a used-up enrolment doesn’t cost the identity that there was', async () => {
  const { server, store, as } = start();
  const first = await as({ enrolment: 'ticket' });
  server.trouble('GET', /inbox/, () => problem(401, 'UNAUTHORIZED'));
  server.trouble('POST', /sites/, () => problem(401, 'UNAUTHORIZED'));
  await expect(as({ enrolment: 'another' })).rejects.toMatchObject({ status: 401 });
  expect(await readJson(store, 'identity')).toMatchObject(first);
});

test('an enrolment that was cut short is repeated under its key; another has a key of its own', async () => {
  const { server, as } = start();
  const cut = (): Response => problem(422, 'INVALID');
  server.trouble('POST', /sites/, cut, 3);
  for (const enrolment of ['one', 'one', 'two'])
    await expect(as({ enrolment })).rejects.toMatchObject({ status: 422 });
  const keys = server.requests.map(({ headers }) => headers.get('idempotency-key'));
  expect(keys[0]).toBe(keys[1]);
  expect(keys[2]).not.toBe(keys[0]);
});

test('the enrolment token itself is not kept', async () => {
  const { store, as } = start();
  await as({ enrolment: 'a-secret-ticket' });
  for (const key of await store.list('')) {
    expect(await (await store.read(key))?.text()).not.toContain('a-secret-ticket');
  }
});
