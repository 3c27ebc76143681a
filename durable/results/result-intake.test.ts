import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
} from '../../tests/workerd/bytes-room.ts';
import type { Room } from '../../tests/workerd/bytes-room.ts';
import { FULL, good, key, model, refusal, withHeader } from '../../tests/workerd/results.ts';

test('media type before size before content', async () => {
  const bad = withHeader('{');
  const rule = { maxBytes: bad.length - 1 };
  for (const [headers, reason] of [
    [{ 'content-type': 'text/plain' }, 'unsupported-media-type'],
    [{ 'content-encoding': 'gzip' }, 'unsupported-media-type'],
    [{}, 'too-large'],
  ] as const) {
    await newRoom().use(async (room) => {
      expect(await refusal(room, put(bad, headers), rule)).toMatchObject({ reason });
    });
  }
});

test('a body at the size limit is taken, one byte over is not', async () => {
  const file = good();
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const at = (maxBytes: number) =>
      room.results.receive(put(file), key, ruleFor(digest, { maxBytes }));
    expect(await at(file.length)).toMatchObject({ ok: true });
    expect(await at(file.length - 1)).toMatchObject({
      error: { reason: 'too-large', limit: file.length - 1, got: file.length },
    });
  });
});

test('Repr-Digest of a whole body is checked', async () => {
  await newRoom().use(async (room) => {
    const wrong = `sha-256=:${btoa('x'.repeat(32))}:`;
    expect(await refusal(room, put(good(), { 'repr-digest': wrong }))).toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});

test('a refused body is read to its end', async () => {
  await newRoom().use(async (room) => {
    const { readable, writable } = new FixedLengthStream(3 * MiB);
    const writer = writable.getWriter();
    let written = 0;
    const sending = (async () => {
      for (; written < 3 * MiB; written += MiB) await writer.write(new Uint8Array(MiB));
      await writer.close();
    })();
    expect(await refusal(room, put(readable, { 'content-type': 'text/plain' }))).toMatchObject({
      reason: 'unsupported-media-type',
    });
    await sending;
    expect(written).toBe(3 * MiB);
  });
});

test('an aborted upload leaves nothing and does not touch another under way', async () => {
  const size = 4 * MiB;
  const big = new Map([['w', f32([size / 4], new Float32Array(size / 4).fill(1))]]);
  const file = resultFile(big, FULL);
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const held = room.rows.held();
    const send = () => {
      const { readable, writable } = new FixedLengthStream(file.length);
      const received = room.results.receive(put(readable), key, ruleFor(digest));
      return { writer: writable.getWriter(), received };
    };
    const [lost, kept] = [send(), send()];
    for (const { writer } of [lost, kept]) await writer.write(file.slice(0, 2.5 * MiB));
    await lost.writer.abort(new Error('gone'));
    expect(await lost.received).toMatchObject({ error: { reason: 'incomplete' } });
    await kept.writer.write(file.slice(2.5 * MiB));
    await kept.writer.close();
    const received = await kept.received;
    expect(received).toMatchObject({ value: { kind: 'staged' } });
    while (room.rows.sweep());
    expect(room.rows.held()).toBe(held + size);
  });
});

/** Uploads of these files that have sent all but their last byte. */
const underWay = async (
  room: Room,
  digest: string,
  files: readonly Uint8Array<ArrayBuffer>[],
  site?: string,
) => {
  const all = files.map((file, i) => {
    const { readable, writable } = new FixedLengthStream(file.length);
    const of = { task: 't', site: site ?? `s${i}` };
    const received = room.results.receive(
      put(readable),
      of,
      ruleFor(digest, { maxBytes: 2 ** 30 }),
    );
    const writer = writable.getWriter();
    const state = { taken: false };
    const sending = writer.write(file.slice(0, -1)).then(() => (state.taken = true));
    const finish = async (): Promise<void> => {
      await sending;
      await writer.write(file.slice(-1));
      await writer.close();
    };
    return { received, finish, state };
  });
  await scheduler.wait(200);
  return all;
};

test('uploads at once hold at most LIMITS.uploadBufferBytes; more wait their turn', async () => {
  const big = new Map([['w', f32([MiB / 4], new Float32Array(MiB / 4))]]);
  const file = resultFile(big, FULL);
  // Each holds a row; the next needs one and some more, for its header.
  const most = LIMITS.uploadBufferBytes / LIMITS.rowBytes - 1;
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const all = await underWay(
      room,
      digest,
      Array.from({ length: most + 3 }, () => file),
    );
    const taken = () => all.filter(({ state }) => state.taken).length;
    expect(taken()).toBe(most);
    await all[0]?.finish();
    await scheduler.wait(100);
    expect(taken()).toBe(most + 1);
    for (const { finish } of all.slice(1)) await finish();
    for (const { received } of all)
      expect(await received).toMatchObject({ value: { kind: 'staged' } });
  });
});

test('refused bodies that come slowly leave the memory to others', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const slow = Array.from({ length: LIMITS.uploadBufferBytes / LIMITS.rowBytes + 1 }, (_, i) => {
      const { readable, writable } = new IdentityTransformStream();
      const request = put(readable, { 'content-type': 'text/plain' });
      const received = room.results.receive(request, { task: 't', site: `s${i}` }, ruleFor(digest));
      return { received, close: () => writable.close() };
    });
    const quick = room.results.receive(put(good()), key, ruleFor(digest));
    const first = await Promise.race([quick, scheduler.wait(2000)]);
    await Promise.all(slow.map(({ close }) => close()));
    for (const { received } of slow) expect(await received).toMatchObject({ ok: false });
    expect(first).toMatchObject({ value: { kind: 'staged' } });
  });
});

test('of more uploads of one result than LIMITS.uploadsPerResult, the oldest ends', async () => {
  const file = good();
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const files = Array.from({ length: LIMITS.uploadsPerResult + 1 }, () => file);
    const [oldest, ...others] = await underWay(room, digest, files, 'a');
    await oldest?.finish();
    expect(await oldest?.received).toMatchObject({ error: { reason: 'unavailable' } });
    for (const { finish, received } of others) {
      await finish();
      expect(await received).toMatchObject({ value: { kind: 'staged' } });
    }
  });
});

test('an upload under way is over when another of the same result is committed', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const [slow] = await underWay(room, digest, [good()], 'a');
    const quick = await room.results.receive(put(good()), key, ruleFor(digest));
    room.results.commit((quick as { value: { upload: string } }).value.upload, 't', 'a');
    await slow?.finish();
    expect(await slow?.received).toEqual({ ok: true, value: { kind: 'over' } });
  });
});
