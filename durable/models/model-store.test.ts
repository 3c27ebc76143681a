import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { f32, importTensors, newRoom, sha256Of } from '../../tests/workerd/bytes-room.ts';
import type { Room } from '../../tests/workerd/bytes-room.ts';

const elements = (2 * MiB) / 4 + 3;
const tensors = new Map([
  [
    'w',
    f32(
      [elements],
      Float32Array.from({ length: elements }, (_, i) => i),
    ),
  ],
  ['b', f32([2], [7, 8])],
]);
// Metadata and order are the uploader's: what is served is what was uploaded, byte for byte.
const file = encode(tensors, new Map([['format', 'pt']]));
const digest = sha256Of(file);

const importFile = ({ models }: Room, bytes: Uint8Array<ArrayBuffer> = file, name = digest) =>
  models.importModel(name, new Response(bytes).body as ReadableStream);

const get = (headers: HeadersInit = {}, method = 'GET') =>
  new Request(`http://job/models/${digest}`, { method, headers });

test('an imported model is served byte for byte', async () => {
  await newRoom().use(async (room) => {
    expect(await importFile(room)).toEqual({ ok: true, value: { digest, bytes: file.length } });
    expect(await importFile(room)).toEqual({ ok: true, value: { digest, bytes: file.length } });
    const answer = await room.models.serve(digest, get());
    expect(answer.status).toBe(200);
    expect(answer.headers.get('etag')).toBe(`"${digest}"`);
    expect(answer.headers.get('content-type')).toBe('application/x-safetensors');
    expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(digest);
    const { begin } = room.models.layout(digest)?.byName.get('b') ?? { begin: -1 };
    expect([...new Float32Array(room.models.read(digest, begin, 8).slice().buffer)]).toEqual([
      7, 8,
    ]);
  });
});

test.each([
  ['bytes=0-7', 0, 8],
  ['bytes=3-99', 3, 100],
  [`bytes=${MiB}-${2 * MiB + 100}`, MiB, 2 * MiB + 101],
  ['bytes=-5', file.length - 5, file.length],
  [`bytes=200-`, 200, file.length],
])('Range %s', async (range, start, end) => {
  await newRoom().use(async (room) => {
    await importFile(room);
    const answer = await room.models.serve(digest, get({ range }));
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${file.length}`);
    const got = new Uint8Array(await answer.arrayBuffer());
    expect(Buffer.compare(got, file.subarray(start, end))).toBe(0);
  });
});

test('HEAD, 304, If-Range, 416, 404', async () => {
  await newRoom().use(async (room) => {
    await importFile(room);
    const { models } = room;
    const head = await models.serve(digest, get({}, 'HEAD'));
    expect([head.status, head.headers.get('content-length'), head.body]).toEqual([
      200,
      String(file.length),
      null,
    ]);
    const ranged = await models.serve(digest, get({ range: 'bytes=0-9' }, 'HEAD'));
    expect([ranged.status, ranged.headers.get('content-length')]).toEqual([206, '10']);
    for (const etag of [`"${digest}"`, `W/"${digest}"`, `"x", "${digest}"`, '*']) {
      expect((await models.serve(digest, get({ 'if-none-match': etag }))).status).toBe(304);
    }
    expect((await models.serve(digest, get({ 'if-none-match': '"x"' }, 'HEAD'))).status).toBe(200);
    const stale = await models.serve(digest, get({ range: 'bytes=0-9', 'if-range': '"x"' }));
    expect(stale.status).toBe(200);
    await stale.body?.cancel();
    const beyond = await models.serve(digest, get({ range: `bytes=${file.length}-` }));
    expect(beyond.headers.get('x-tributary-fault')).toBe('1');
    expect(await beyond.json()).toMatchObject({
      reason: 'range-not-satisfiable',
      size: file.length,
    });
    expect(await (await models.serve('sha256-0', get())).json()).toMatchObject({
      reason: 'not-found',
    });
  });
});

test('a reader who leaves does not disturb the others', async () => {
  await newRoom().use(async (room) => {
    await importFile(room);
    const [left, stayed] = await Promise.all([
      room.models.serve(digest, get()),
      room.models.serve(digest, get()),
    ]);
    const reader = (left.body as ReadableStream).getReader();
    await reader.read();
    await reader.cancel();
    expect(sha256Of(new Uint8Array(await stayed.arrayBuffer()))).toBe(digest);
  });
});

test('a model that is not what its digest names, or no model, is not kept', async () => {
  await newRoom().use(async (room) => {
    const other = file.slice();
    other[file.length - 1] = 99;
    expect(await importFile(room, other)).toMatchObject({ error: { code: 'DIGEST_MISMATCH' } });
    expect(await importFile(room, file.slice(0, -1))).toMatchObject({
      error: { code: 'TRUNCATED' },
    });
    const text = new TextEncoder().encode('this is no model');
    expect(await importFile(room, new Uint8Array(text))).toMatchObject({
      error: { reason: 'invalid' },
    });
    expect(room.models.ref(digest)).toBeNull();
    expect(room.models.layout(digest)).toBeNull();
    while (room.rows.sweep());
    expect(room.rows.held()).toBe(0);
  });
});

test('an initial model that is not finite is refused by tensor and element', async () => {
  const bad = new Map(tensors).set('b', f32([2], [7, NaN]));
  const bytes = encode(bad);
  await newRoom().use(async (room) => {
    expect(await importFile(room, bytes, sha256Of(bytes))).toMatchObject({
      error: {
        code: 'NON_FINITE',
        errors: [{ path: 'b', got: 'NaN or infinity at element 1' }],
      },
    });
    while (room.rows.sweep());
    expect(room.rows.held()).toBe(0);
  });
});

test('an import that an eviction cut off leaves nothing', async () => {
  const room = newRoom();
  await room.use(({ rows }) => rows.put(rows.begin(MiB, 'staged'), 0, new Uint8Array(MiB)));
  await room.evict();
  await room.use(({ results, rows }) => {
    results.clearDead();
    while (rows.sweep());
    expect(rows.held()).toBe(0);
  });
});

test('names move; a retired model goes when it is due and no name holds it', async () => {
  const room = newRoom();
  const [a, b] = await room.use(
    async (now) =>
      [
        await importTensors(now, new Map([['x', f32([1], [1])]])),
        await importTensors(now, new Map([['x', f32([1], [2])]])),
      ] as const,
  );
  await room.use(({ models }) => {
    const refs = [a, b].map((name) => models.ref(name));
    models.setName('global', refs[0] ?? { digest: '', bytes: 0 });
    models.setName('best', refs[0] ?? { digest: '', bytes: 0 });
    models.retire(a, 1000);
    models.sweep(2000);
    expect(models.nextDue()).toBeNull();
    models.setName('global', refs[1] ?? { digest: '', bytes: 0 });
    expect(models.names()).toEqual({ best: refs[0], global: refs[1] });
    expect(models.byName('global')).toEqual(refs[1]);
    expect(models.byName('site-1')).toBeNull();
    models.setName('best', refs[1] ?? { digest: '', bytes: 0 });
    models.retire(a, 5000);
    models.sweep(4999);
    expect(models.nextDue()).toBe(5000);
    expect(models.ref(a)).not.toBeNull();
    models.sweep(5000);
    expect(models.nextDue()).toBeNull();
    expect(models.ref(a)).toBeNull();
    expect(() => models.setName('global', { digest: a, bytes: 1 })).toThrow(RangeError);
  });
  await room.use(({ models, rows }) => {
    expect(models.byName('global')?.digest).toBe(b);
    while (rows.sweep());
    expect(rows.held()).toBe(models.ref(b)?.bytes ?? 0);
  });
});

test('a header of several rows', async () => {
  const many = new Map(
    Array.from({ length: 12_000 }, (_, i) => [`${'n'.repeat(80)}${i}`, f32([1], [i])] as const),
  );
  const bytes = encode(many);
  expect(bytes.length).toBeGreaterThan(LIMITS.rowBytes);
  const room = newRoom();
  const name = await room.use((now) => importTensors(now, many));
  await room.use(async ({ models }) => {
    expect(models.layout(name)?.entries.length).toBe(12_000);
    const answer = await models.serve(name, get());
    expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(name);
  });
});
