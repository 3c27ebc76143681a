import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
  sha256Of,
} from '../../tests/workerd/bytes-room.ts';
import type { Room } from '../../tests/workerd/bytes-room.ts';

const key = { task: 't', site: 'a' };
const elements = (5 * MiB) / 8;
const big = new Map([
  [
    'u',
    f32(
      [elements],
      Float32Array.from({ length: elements }, (_, i) => i % 1000),
    ),
  ],
  [
    'v',
    f32(
      [elements],
      Float32Array.from({ length: elements }, (_, i) => -(i % 777)),
    ),
  ],
]);
const file = resultFile(big); // 5 MiB and a header: six rows, and no part border is a row of the data region
const reprOf = (bytes: Uint8Array): string => {
  const hex = sha256Of(bytes).slice('sha256-'.length);
  return `sha-256=:${btoa(hex.replace(/../g, (byte) => String.fromCharCode(Number.parseInt(byte, 16))))}:`;
};

const part = (start: number, end: number, bytes: Uint8Array<ArrayBuffer> = file): Request =>
  put(bytes.slice(start, end), {
    'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
    'repr-digest': reprOf(bytes),
  });
const ask = (bytes = file): Request =>
  put(null, { 'content-range': `bytes */${bytes.length}`, 'repr-digest': reprOf(bytes) });

const send = async (room: Room, digest: string, request: Request) =>
  room.results.receive(request, key, ruleFor(digest));
const there = (received: number) => ({ ok: true, value: { kind: 'partial', received } });

test('parts make a whole, through evictions, and the whole is checked and committed', async () => {
  const room = newRoom();
  const digest = await room.use((now) => importTensors(now, big));
  const steps: [() => Request, number][] = [
    [() => ask(), 0],
    [() => part(0, 2 * MiB), 2 * MiB],
    [() => ask(), 2 * MiB],
    [() => part(MiB, 4 * MiB), 4 * MiB], // what is there may come again
  ];
  for (const [request, received] of steps) {
    expect(await room.use((now) => send(now, digest, request()))).toEqual(there(received));
    await room.evict();
    await room.use(({ results }) => results.clearDead());
  }
  const last = await room.use((now) => send(now, digest, part(4 * MiB, file.length)));
  expect(last).toMatchObject({
    value: { kind: 'staged' },
  });
  // A crash before the commit costs nothing: the question alone brings it back.
  await room.evict();
  await room.use(async (now) => {
    now.results.clearDead();
    const again = await send(now, digest, ask());
    const { upload } = (again as { value: { upload: string } }).value;
    now.results.commit(upload, 't', 'a');
    const bytes = now.results.read(upload, 5 * MiB - 8, 8).slice();
    expect([...new Float32Array(bytes.buffer)]).toEqual([
      -((elements - 2) % 777),
      -((elements - 1) % 777),
    ]);
    expect(now.storage.sql.exec('SELECT * FROM partials').toArray()).toEqual([]);
    now.results.release('t');
    while (now.rows.sweep());
    expect(now.storage.sql.exec('SELECT * FROM uploads').toArray()).toEqual([]);
  });
});

test('a part that breaks off keeps whole MiB', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const { readable, writable } = new FixedLengthStream(4 * MiB);
    const request = put(readable, {
      'content-range': `bytes 0-${4 * MiB - 1}/${file.length}`,
      'repr-digest': reprOf(file),
    });
    const answer = send(room, digest, request);
    const writer = writable.getWriter();
    await writer.write(file.slice(0, 2.5 * MiB));
    await writer.abort(new Error('gone'));
    expect(await answer).toMatchObject({ error: { reason: 'incomplete' } });
    expect(await send(room, digest, ask())).toEqual(there(2 * MiB));
  });
});

test.each<[string, () => Request, string]>([
  ['a gap', () => part(MiB, 2 * MiB), 'range-not-satisfiable'],
  ['a start that is not aligned', () => part(5, 2 * MiB), 'malformed'],
  ['an end that is not aligned', () => part(0, 2 * MiB + 1), 'malformed'],
  [
    'no digest',
    () => put(file.slice(0, MiB), { 'content-range': `bytes 0-${MiB - 1}/${file.length}` }),
    'malformed',
  ],
  [
    'a bad Content-Range',
    () => put(file, { 'content-range': 'bytes 1', 'repr-digest': reprOf(file) }),
    'malformed',
  ],
  [
    'a whole over the limit',
    () =>
      put(file.slice(0, MiB), {
        'content-range': `bytes 0-${MiB - 1}/${65 * MiB}`,
        'repr-digest': reprOf(file),
      }),
    'too-large',
  ],
  [
    'a body shorter than the part',
    () =>
      put(file.slice(0, 9), {
        'content-range': `bytes 0-${MiB - 1}/${file.length}`,
        'repr-digest': reprOf(file),
      }),
    'malformed',
  ],
  [
    'a body longer than the part',
    () =>
      put(file.slice(0, MiB + 1), {
        'content-range': `bytes 0-${MiB - 1}/${file.length}`,
        'repr-digest': reprOf(file),
      }),
    'malformed',
  ],
])('%s is refused', async (_, request, reason) => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    expect(await send(room, digest, request())).toMatchObject({ ok: false, error: { reason } });
  });
});

test('a part has at most LIMITS.partBytes', async () => {
  await newRoom().use(async (room) => {
    const total = LIMITS.partBytes + 2 * MiB;
    const request = (bytes: number) =>
      put(new Uint8Array(MiB), {
        'content-range': `bytes 0-${bytes - 1}/${total}`,
        'repr-digest': reprOf(file),
      });
    const at = (bytes: number) =>
      room.results.receive(request(bytes), key, ruleFor(null, { maxBytes: total }));
    expect(await at(LIMITS.partBytes + MiB)).toMatchObject({
      error: { detail: expect.stringContaining('at most') },
    });
    expect(await at(LIMITS.partBytes)).toMatchObject({
      error: { detail: expect.stringContaining('early') },
    });
  });
});

test('a whole that is not what its digest names, or not a good result, is forgotten', async () => {
  const bad = resultFile(
    new Map([...big, ['v', f32([elements], new Float32Array(elements).fill(Infinity))]]),
  );
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const held = room.rows.held();
    const wrong = file.slice();
    wrong[file.length - 1] = 1;
    const request = put(wrong, {
      'content-range': `bytes 0-${file.length - 1}/${file.length}`,
      'repr-digest': reprOf(file),
    });
    expect(await send(room, digest, request)).toMatchObject({ error: { code: 'DIGEST_MISMATCH' } });
    expect(await send(room, digest, part(0, bad.length, bad))).toMatchObject({
      error: { code: 'NON_FINITE', errors: [{ path: 'v', got: 'NaN or infinity at element 0' }] },
    });
    expect(await send(room, digest, ask())).toEqual(there(0));
    while (room.rows.sweep());
    expect(room.rows.held()).toBe(held);
  });
});

test('the newest request for a whole ends an older one', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const { readable, writable } = new FixedLengthStream(2 * MiB);
    const old = send(
      room,
      digest,
      put(readable, {
        'content-range': `bytes 0-${2 * MiB - 1}/${file.length}`,
        'repr-digest': reprOf(file),
      }),
    );
    const writer = writable.getWriter();
    await writer.write(file.slice(0, MiB));
    expect(await send(room, digest, part(0, file.length))).toMatchObject({
      value: { kind: 'staged' },
    });
    await writer.write(new Uint8Array(MiB));
    await writer.close();
    expect(await old).toMatchObject({ error: { reason: 'conflict' } });
  });
});

test('a site keeps LIMITS.partialsKept unfinished wholes for a task; one more ends the oldest', async () => {
  const wholes = Array.from({ length: LIMITS.partialsKept + 1 }, (_, x) =>
    resultFile(new Map([...big, ['u', f32([elements], new Float32Array(elements).fill(x))]])),
  );
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const kept = () => Promise.all(wholes.map((bytes) => send(room, digest, ask(bytes))));
    for (const bytes of wholes.slice(0, -1)) await send(room, digest, part(0, MiB, bytes));
    expect(await kept()).toEqual(wholes.map((_, i) => there(i < LIMITS.partialsKept ? MiB : 0)));
    for (const bytes of wholes.slice(-1)) await send(room, digest, part(0, MiB, bytes));
    expect(await kept()).toEqual(wholes.map((_, i) => there(i > 0 ? MiB : 0)));
  });
});

test.each<[string, (room: Room, upload: string) => void]>([
  ['its task closes', ({ results }) => results.release('t')],
  ['another commit wins', ({ results }, upload) => results.commit(upload, 't', 'a')],
])('a part on its way is over when %s', async (_, end) => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const quick = await send(room, digest, put(file));
    const { readable, writable } = new FixedLengthStream(2 * MiB);
    const slow = send(
      room,
      digest,
      put(readable, {
        'content-range': `bytes 0-${2 * MiB - 1}/${file.length}`,
        'repr-digest': reprOf(file),
      }),
    );
    const writer = writable.getWriter();
    await writer.write(file.slice(0, MiB));
    end(room, (quick as { value: { upload: string } }).value.upload);
    while (room.rows.sweep());
    await writer.write(file.slice(MiB, 2 * MiB));
    await writer.close();
    expect(await slow).toEqual({ ok: true, value: { kind: 'over' } });
  });
});

test('a whole that finds no room to be staged stays until there is some', async () => {
  // The model, the parts, and not quite another copy of them.
  await newRoom({ capacity: 15.5 * MiB }).use(async (room) => {
    const digest = await importTensors(room, big);
    expect(await send(room, digest, part(0, 3 * MiB))).toEqual(there(3 * MiB));
    const other = room.rows.begin(MiB, 'kept');
    expect(await send(room, digest, part(3 * MiB, file.length))).toMatchObject({
      error: { reason: 'storage-full' },
    });
    room.rows.kill(other);
    expect(await send(room, digest, ask())).toMatchObject({
      value: { kind: 'staged' },
    });
  });
});
