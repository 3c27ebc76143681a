import { env } from 'cloudflare:workers';
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../core/protocol/limits.ts';
import { sha256Of } from '../tests/workerd/bytes-room.ts';
import { BlobKeeper } from './blobs/blob-keeper.ts';
import type { BlobObject } from './blob-object.ts';

const { BLOB } = env as unknown as { BLOB: DurableObjectNamespace<BlobObject> };
const { TEST_R2 } = env as unknown as { TEST_R2: R2Bucket };

let seed = 0;
/** Bytes that no other test has: blobs are named by their content. */
const newBlob = (length: number) => {
  const bytes = new Uint8Array(length);
  seed += 17;
  for (let i = 0; i < length; i++) bytes[i] = (i * seed + (i >> 8) + seed) & 255;
  const digest = sha256Of(bytes);
  const stub = BLOB.get(BLOB.idFromName(digest));
  const url = `http://blob/blobs/${digest}`;
  const send = (method: string, body?: BodyInit | null, headers: HeadersInit = {}) =>
    stub.fetch(url, { method, headers, ...(body !== undefined && { body }) });
  return { bytes, digest, stub, send, url };
};

const rowsOf = (stub: DurableObjectStub<BlobObject>): Promise<number> =>
  runInDurableObject(stub, async (_, { storage }) => {
    await scheduler.wait(20); // garbage goes between requests
    return storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM chunks').one().n;
  });

test('PUT, then GET, HEAD, ranges and 304; again is 200', async () => {
  const { bytes, digest, send, stub } = newBlob(2 * MiB + 5);
  expect(await (await send('GET')).json()).toMatchObject({ reason: 'not-found' });
  expect(await stub.stat()).toBeNull();
  expect(await stub.head(8)).toBeNull();
  const created = await send('PUT', bytes);
  expect([created.status, await created.json()]).toEqual([201, { digest, bytes: bytes.length }]);
  await evictDurableObject(stub);
  const again = await send('PUT', bytes);
  expect([again.status, await again.json()]).toEqual([200, { digest, bytes: bytes.length }]);
  const got = await send('GET');
  expect([got.status, got.headers.get('etag')]).toEqual([200, `"${digest}"`]);
  expect(sha256Of(new Uint8Array(await got.arrayBuffer()))).toBe(digest);
  const some = await send('GET', undefined, { range: `bytes=${MiB - 2}-${MiB + 1}` });
  expect(some.status).toBe(206);
  expect(new Uint8Array(await some.arrayBuffer())).toEqual(bytes.slice(MiB - 2, MiB + 2));
  const head = await send('HEAD');
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)]);
  expect((await send('GET', undefined, { 'if-none-match': `"${digest}"` })).status).toBe(304);
  expect(await stub.stat()).toEqual({ bytes: bytes.length });
  expect(await stub.head(16)).toEqual(bytes.slice(0, 16));
  expect(await (await send('POST', '')).json()).toMatchObject({ reason: 'method-not-allowed' });
});

test('other bytes than the digest names are refused, and nothing is kept', async () => {
  const { bytes, send, stub, digest } = newBlob(MiB + 1);
  const wrong = bytes.slice();
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  const refused = await send('PUT', wrong);
  expect(refused.headers.get('x-tributary-fault')).toBe('1');
  expect(await refused.json()).toMatchObject({
    reason: 'invalid',
    code: 'DIGEST_MISMATCH',
    errors: [{ path: 'digest', expected: digest, got: sha256Of(wrong) }],
  });
  expect(await stub.stat()).toBeNull();
  expect(await rowsOf(stub)).toBe(0);
  expect((await send('PUT', bytes)).status).toBe(201);
});

test('an empty blob', async () => {
  const { send, digest } = newBlob(0);
  expect((await send('PUT', new Uint8Array(0))).status).toBe(201);
  expect(sha256Of(new Uint8Array(await (await send('GET')).arrayBuffer()))).toBe(digest);
});

test('an upload that breaks off leaves nothing; others at the same time are not disturbed', async () => {
  const { bytes, send, stub } = newBlob(3 * MiB);
  const { readable, writable } = new FixedLengthStream(bytes.length);
  const broken = send('PUT', readable).catch(() => undefined);
  const writer = writable.getWriter();
  await writer.write(bytes.slice(0, 2 * MiB));
  const both = await Promise.all([send('PUT', bytes), send('PUT', bytes)]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 201]);
  await writer.abort(new Error('gone')).catch(() => {});
  await broken;
  expect(await rowsOf(stub)).toBe(3);
});

test('too large is refused by what the request says', async () => {
  const { send, stub } = newBlob(1);
  const range = (total: number) => ({ 'content-range': `bytes 0-${MiB - 1}/${total}` });
  const over = await send('PUT', new Uint8Array(MiB), range(LIMITS.blobBytes + 1));
  expect(await over.json()).toEqual({
    reason: 'too-large',
    limit: LIMITS.blobBytes,
    got: LIMITS.blobBytes + 1,
  });
  expect(await stub.stat()).toBeNull();
  const at = await send('PUT', new Uint8Array(MiB), range(LIMITS.blobBytes));
  expect([at.status, await at.json()]).toEqual([202, { status: 'partial', received: MiB }]);
});

test('parts, through evictions', async () => {
  const { bytes, digest, send, stub } = newBlob(4 * MiB + 9);
  const part = (start: number, end: number) =>
    send('PUT', bytes.slice(start, end), {
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    });
  const ask = () => send('PUT', null, { 'content-range': `bytes */${bytes.length}` });
  expect(await (await ask()).json()).toEqual({ status: 'partial', received: 0 });
  for (const [start, end] of [
    [0, MiB],
    [MiB, 3 * MiB],
  ] as const) {
    const answer = await part(start, end);
    expect([answer.status, await answer.json()]).toEqual([
      202,
      { status: 'partial', received: end },
    ]);
    await evictDurableObject(stub);
  }
  expect(await (await part(4 * MiB, bytes.length)).json()).toMatchObject({
    reason: 'range-not-satisfiable',
    size: bytes.length,
    detail: expect.stringContaining(String(3 * MiB)),
  });
  expect(await (await ask()).json()).toEqual({ status: 'partial', received: 3 * MiB });
  expect((await part(3 * MiB, bytes.length)).status).toBe(201);
  expect((await ask()).status).toBe(200);
  expect(sha256Of(new Uint8Array(await (await send('GET')).arrayBuffer()))).toBe(digest);
  expect(await rowsOf(stub)).toBe(5);
});

/** As if the object had been left alone for so long. */
const pass = (stub: DurableObjectStub<BlobObject>, ms: number): Promise<void> =>
  runInDurableObject(stub, (_, { storage }) => {
    storage.sql.exec('UPDATE idle SET since = since - ?', ms);
  });

test('a blob that no job holds is deleted after seven days, one that is held stays', async () => {
  const { bytes, send, stub } = newBlob(100);
  expect(await stub.hold('job-0')).toBe(false);
  await send('PUT', bytes);
  expect(await stub.hold('job-1')).toBe(true);
  expect(await stub.hold('job-1')).toBe(true);
  await stub.hold('job-2');
  await pass(stub, LIMITS.blobGraceMS);
  await runDurableObjectAlarm(stub);
  expect(await stub.stat()).toEqual({ bytes: 100 });
  await stub.release('job-1');
  await stub.release('job-1');
  await pass(stub, LIMITS.blobGraceMS);
  await runDurableObjectAlarm(stub);
  expect(await stub.stat()).toEqual({ bytes: 100 });
  await stub.release('job-2');
  await pass(stub, LIMITS.blobGraceMS - 60_000);
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await stub.stat()).toEqual({ bytes: 100 });
  await pass(stub, 60_000);
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await stub.stat()).toBeNull();
  expect((await send('PUT', bytes)).status).toBe(201);
});

test('an object that was only asked for stores nothing', async () => {
  const { send, stub } = newBlob(1);
  await send('GET');
  await stub.release('job');
  await runInDurableObject(stub, (_, { storage }) => {
    expect(storage.sql.exec('SELECT name FROM sqlite_master').toArray()).toEqual([]);
  });
});

test('with R2 bound, bytes move there, and the alarm deletes them there', async () => {
  const { bytes, digest, stub, url } = newBlob(MiB + 3);
  await runInDurableObject(stub, async (_, { storage }) => {
    let now = Date.now();
    const keeper = () => new BlobKeeper(storage, { R2: TEST_R2 }, () => now);
    const put = await keeper().put(digest, new Request(url, { method: 'PUT', body: bytes }));
    expect(put.status).toBe(201);
    await scheduler.wait(20);
    expect(storage.sql.exec('SELECT * FROM chunks').toArray()).toEqual([]);
    const got = await keeper().get(new Request(url));
    expect(sha256Of(new Uint8Array(await got.arrayBuffer()))).toBe(digest);
    expect(await keeper().head(4)).toEqual(bytes.slice(0, 4));
    const unbound = await new BlobKeeper(storage, {}, () => now).get(new Request(url));
    expect(await unbound.json()).toMatchObject({ reason: 'unavailable' });
    now += LIMITS.blobGraceMS;
    await keeper().alarm();
    expect(keeper().stat()).toBeNull();
    expect(await TEST_R2.head(`blobs/${digest}`)).toBeNull();
  });
});

test('whoever comes while a blob is being deleted is told that it is gone, and can bring it again', async () => {
  const { bytes, digest, stub, url } = newBlob(MiB + 3);
  await runInDurableObject(stub, async (_, { storage }) => {
    let now = Date.now();
    let deleted = (): void => {};
    let deletions = 0;
    const slow = new Proxy(TEST_R2, {
      get(bucket, name) {
        if (name === 'put') return bucket.put.bind(bucket);
        if (name === 'get') return bucket.get.bind(bucket);
        return async (key: string) => {
          deletions += 1;
          await new Promise<void>((resolve) => (deleted = resolve));
          await bucket.delete(key);
        };
      },
    });
    const keeper = new BlobKeeper(storage, { R2: slow }, () => now);
    const put = () => keeper.put(digest, new Request(url, { method: 'PUT', body: bytes }));
    expect((await put()).status).toBe(201);
    now += LIMITS.blobGraceMS;
    const alarm = keeper.alarm();
    await scheduler.wait(10);
    expect(await keeper.hold('job')).toBe(false);
    expect(keeper.stat()).toBeNull();
    const again = put();
    await scheduler.wait(50);
    deleted();
    await alarm;
    expect((await again).status).toBe(201);
    expect(deletions).toBe(1);
    expect(await keeper.hold('job')).toBe(true);
    const got = await keeper.get(new Request(url));
    expect(sha256Of(new Uint8Array(await got.arrayBuffer()))).toBe(digest);
  });
});

test('a disk that is full while a blob arrives is 507; an object that wakes with nothing else gives its space back', async () => {
  const { bytes, digest, stub, url } = newBlob(3 * MiB);
  await runInDurableObject(stub, async (_, { storage }) => {
    let room = 2;
    const sql = new Proxy(storage.sql, {
      get(target, name) {
        if (name !== 'exec') return Reflect.get(target, name, target) as unknown;
        return (query: string, ...bindings: unknown[]) => {
          // What workerd throws on a full disk.
          if (query.includes('INTO chunks') && room-- <= 0)
            throw new Error('database or disk is full: SQLITE_FULL');
          return target.exec(query, ...bindings);
        };
      },
    });
    const full = new Proxy(storage, {
      get(target, name) {
        if (name === 'sql') return sql;
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const keeper = new BlobKeeper(full, {}, Date.now);
    const put = () => keeper.put(digest, new Request(url, { method: 'PUT', body: bytes }));
    expect(await (await put()).json()).toMatchObject({ reason: 'storage-full' });
    const woken = new BlobKeeper(storage, {}, Date.now);
    await scheduler.wait(10);
    expect(storage.sql.exec('SELECT * FROM sqlite_master').toArray()).toEqual([]);
    room = Infinity;
    expect((await put()).status).toBe(201);
    const got = await woken.get(new Request(url));
    expect(sha256Of(new Uint8Array(await got.arrayBuffer()))).toBe(digest);
  });
});
