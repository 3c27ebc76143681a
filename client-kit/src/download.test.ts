import { expect, test } from 'vitest';
import { digestOfBytes, FakeServer } from '../tests/fake-server.ts';
import { Connection } from './connection.ts';
import { BlobCache, download } from './download.ts';
import { MemoryStore } from './store.ts';

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);

const start = () => {
  const server = new FakeServer();
  server.addJob('j', {}, []);
  const digest = server.addBlob(BYTES);
  const connection = new Connection({
    server: server.url,
    token: 'token-of-a',
    fetch: server.fetch,
    pause: () => Promise.resolve(),
  });
  return { server, connection, remote: { digest, url: `/v1/jobs/j/blobs/${digest}` } };
};

/** A body whose connection dies after `whole` bytes. */
const cut =
  (whole: number, headers: Record<string, string> = {}) =>
  (): Response => {
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (whole > 0) controller.enqueue(BYTES.slice(0, whole));
        else controller.error(new TypeError('terminated'));
        whole = 0;
      },
    });
    return new Response(stream, { headers });
  };

test('a connection lost half-way goes on where it was', async () => {
  const { server, connection, remote } = start();
  server.trouble('GET', /blobs/, cut(40_000));
  expect(await download(connection, { ...remote, bytes: BYTES.length })).toEqual(BYTES);
  const { headers } = server.requests[1] as { headers: Headers };
  expect(headers.get('range')).toBe('bytes=40000-');
  expect(headers.get('if-range')).toBe(`"${remote.digest}"`);
});

test.each([
  ['told', { bytes: BYTES.length }, {}],
  ['announced', {}, { 'content-length': String(BYTES.length) }],
])('a connection lost after the last byte, before the end (size %s)', async (_, size, headers) => {
  const { server, connection, remote } = start();
  server.trouble('GET', /blobs/, cut(BYTES.length, headers));
  expect(await download(connection, { ...remote, ...size })).toEqual(BYTES);
  const again = (server.requests[1] as { headers: Headers }).headers;
  expect(again.get('range')).toBe(`bytes=${BYTES.length - 1}-`);
});

test('a size that nobody told is found out', async () => {
  const { server, connection, remote } = start();
  server.trouble('GET', /blobs/, () => new Response(new Blob([BYTES]).stream()));
  expect(await download(connection, remote)).toEqual(BYTES);
});

test('bytes of another digest are fetched once more, then refused', async () => {
  const { server, connection, remote } = start();
  const wrong = (): Response => new Response(BYTES.slice(1));
  server.trouble('GET', /blobs/, wrong);
  expect(await download(connection, remote)).toEqual(BYTES);
  server.trouble('GET', /blobs/, wrong, 2);
  await expect(download(connection, remote)).rejects.toMatchObject({
    returnCode: 'COMMUNICATION_ERROR',
  });
});

test('a cache is asked first, believed only by digest, and forgets what it is told to', async () => {
  const { server, connection, remote } = start();
  const store = new MemoryStore();
  const cache = new BlobCache(connection, store, 'models/');
  expect(await cache.get(remote)).toEqual({ bytes: BYTES, cached: false });
  expect(await cache.get(remote)).toEqual({ bytes: BYTES, cached: true });
  expect(server.requests).toHaveLength(1);
  await store.write(`models/${remote.digest}`, [BYTES.slice(0, 5)]);
  expect(await cache.get(remote)).toEqual({ bytes: BYTES, cached: false });
  await cache.keepOnly(new Set([digestOfBytes(new Uint8Array(1))]));
  expect(await store.list('')).toEqual([]);
});
