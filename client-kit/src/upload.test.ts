import { expect, test } from 'vitest';
import { MiB } from '../../core/protocol/limits.ts';
import { FakeServer, problem } from '../tests/fake-server.ts';
import { Connection } from './connection.ts';
import { ProblemError } from './problem-error.ts';
import { upload } from './upload.ts';

const BYTES = Uint8Array.from({ length: 3.5 * MiB }, (_, i) => i % 251);
const URL = '/v1/jobs/j/tasks/t/result';
const ranges = (server: FakeServer): (string | null)[] =>
  server.requests.map(({ headers }) => headers.get('content-range'));

const start = () => {
  const server = new FakeServer();
  server.addJob('j', {}, [{ id: 't', name: 'train' }]);
  const pause = (): Promise<void> => Promise.resolve();
  const connection = new Connection({
    server: server.url,
    token: 'token-of-a',
    fetch: server.fetch,
    pause,
  });
  const send = (options: { signal?: AbortSignal; partBytes?: number } = {}) =>
    upload(connection, {
      url: URL,
      body: new Blob([BYTES]),
      contentType: 'application/x-safetensors',
      partBytes: MiB,
      ...options,
    });
  return { server, send };
};

test('a small body goes at once', async () => {
  const { server, send } = start();
  expect(await send({ partBytes: 4 * MiB })).toBe('accepted');
  expect(ranges(server)).toEqual([null]);
  expect(await send({ partBytes: 4 * MiB })).toBe('duplicate');
});

test('a large one goes in aligned parts, named by the digest of the whole', async () => {
  const { server, send } = start();
  expect(await send()).toBe('accepted');
  const total = BYTES.length;
  expect(ranges(server)).toEqual([
    `bytes */${total}`,
    `bytes 0-${MiB - 1}/${total}`,
    `bytes ${MiB}-${2 * MiB - 1}/${total}`,
    `bytes ${2 * MiB}-${3 * MiB - 1}/${total}`,
    `bytes ${3 * MiB}-${total - 1}/${total}`,
  ]);
  expect(server.results.get('t')?.body).toEqual(BYTES);
});

test('a part whose answer was lost is not sent twice', async () => {
  const { server, send } = start();
  server.trouble('PUT', /result/, () =>
    Response.json({ status: 'partial', received: 0 }, { status: 202 }),
  );
  server.trouble('PUT', /result/, 'lose-answer');
  expect(await send()).toBe('accepted');
  expect(server.results.get('t')?.body).toEqual(BYTES);
  expect(server.requests.reduce((n, { bytes }) => n + bytes, 0)).toBe(BYTES.length);
});

test('after a kill it goes on where it was', async () => {
  const { server, send } = start();
  const stop = new AbortController();
  server.trouble('PUT', /result/, () =>
    Response.json({ status: 'partial', received: 0 }, { status: 202 }),
  );
  let puts = 0;
  const connection = new Connection({
    server: server.url,
    token: 'token-of-a',
    fetch: (url, init) => {
      if (++puts === 4) stop.abort(new Error('killed'));
      return server.fetch(url, init);
    },
  });
  const body = new Blob([BYTES]);
  const options = { url: URL, body, contentType: 'application/x-safetensors', partBytes: MiB };
  await expect(upload(connection, { ...options, signal: stop.signal })).rejects.toThrow('killed');
  const before = server.requests.length;
  expect(await send()).toBe('accepted');
  expect(ranges(server).slice(before)).toEqual([
    `bytes */${BYTES.length}`,
    `bytes ${2 * MiB}-${3 * MiB - 1}/${BYTES.length}`,
    `bytes ${3 * MiB}-${BYTES.length - 1}/${BYTES.length}`,
  ]);
});

test('a server that never gets further is given up', async () => {
  const { server, send } = start();
  const stuck = () => Response.json({ status: 'partial', received: 0 }, { status: 202 });
  server.trouble('PUT', /result/, stuck, 1000);
  await expect(send()).rejects.toThrow('stuck at 0 of');
});

test('of a part that broke off, what the server kept is not sent again', async () => {
  const { server } = start();
  let puts = 0;
  const connection = new Connection({
    server: server.url,
    token: 'token-of-a',
    pause: () => Promise.resolve(),
    fetch: async (url, init) => {
      if (++puts !== 2) return server.fetch(url, init);
      // The first part has two MiB; the connection breaks after the first of them.
      const headers = new Headers(init.headers);
      headers.set('content-range', `bytes 0-${MiB - 1}/${BYTES.length}`);
      await server.fetch(url, { ...init, headers, body: (init.body as Blob).slice(0, MiB) });
      throw new TypeError('fetch failed');
    },
  });
  const body = new Blob([BYTES]);
  const contentType = 'application/x-safetensors';
  expect(await upload(connection, { url: URL, body, contentType, partBytes: 2 * MiB })).toBe(
    'accepted',
  );
  expect(server.results.get('t')?.body).toEqual(BYTES);
  expect(server.requests.reduce((n, { bytes }) => n + bytes, 0)).toBe(BYTES.length);
});

test('an outage in mid-upload is waited for, however long', async () => {
  const { server, send } = start();
  server.trouble('PUT', /result/, 'lose-answer', 2);
  server.trouble('PUT', /result/, 'lose-request', 50);
  expect(await send()).toBe('accepted');
  expect(server.results.get('t')?.body).toEqual(BYTES);
});

test('a part that lost to another goes on where that one is', async () => {
  const { server, send } = start();
  const there = () => Response.json({ status: 'partial', received: 0 }, { status: 202 });
  server.trouble('PUT', /result/, there);
  server.trouble('PUT', /result/, () => problem(409, 'CONFLICT'));
  expect(await send()).toBe('accepted');
});

test.for([401, 403, 404, 422])('the server’s final word comes through: %i', async (status) => {
  const { server, send } = start();
  server.trouble('PUT', /result/, () => problem(status, 'ITS_OWN'));
  await expect(send()).rejects.toBeInstanceOf(ProblemError);
});

test.for<[string, Response]>([
  ['400', problem(400, 'MALFORMED')],
  ['413', problem(413, 'TOO_LARGE')],
  ['415', problem(415, 'UNSUPPORTED_MEDIA_TYPE')],
  ['a proxy’s 403', new Response('<h1>Forbidden</h1>', { status: 403 })],
  ['a proxy’s 413', new Response('<h1>Too large</h1>', { status: 413 })],
])('what says nothing about the result is tried again: %s', async ([, answer]) => {
  const { server, send } = start();
  server.trouble('PUT', /result/, () => answer);
  expect(await send({ partBytes: 4 * MiB })).toBe('accepted');
  expect(server.results.get('t')?.body).toEqual(BYTES);
});
