import { expect, test } from 'vitest';
import { MiB } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import {
  f32,
  importTensors,
  newRoom,
  put,
  resultFile,
  ruleFor,
} from '../../tests/workerd/bytes-room.ts';
import { FULL, expectEmpty, good, key, model } from '../../tests/workerd/results.ts';

test('a good result is staged, read back and committed', async () => {
  await newRoom().use(async (room) => {
    const { results } = room;
    const digest = await importTensors(room, model);
    const file = good();
    const received = await results.receive(put(file), key, ruleFor(digest));
    expect(received).toMatchObject({
      ok: true,
      value: { kind: 'staged', header: FULL },
    });
    const { upload } = (received as { value: { upload: string } }).value;
    results.commit(upload, 't', 'a');
    results.clearDead();
    expect(results.table(upload).layout.byName.get('b')).toMatchObject({ begin: 24, end: 32 });
    expect([...new Float32Array(results.read(upload, 24, 8).slice().buffer)]).toEqual([7, 8]);
    expect(() => results.commit(upload, 't', 'b')).toThrow(RangeError);
  });
});

test('tensors in another order keep a layout of their own', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const turned = new Map([...model].reverse());
    const received = await room.results.receive(
      put(resultFile(turned, FULL)),
      key,
      ruleFor(digest),
    );
    const { upload } = (received as { value: { upload: string } }).value;
    expect(
      room.results.table(upload).layout.entries.map(({ name, begin }) => [name, begin]),
    ).toEqual([
      ['b', 0],
      ['w', 8],
    ]);
  });
});

test('two bodies for one task and site: the commit decides, and the loser goes', async () => {
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, model);
    const held = room.rows.held();
    const bodies = [1, 2].map((x) =>
      resultFile(new Map([...model, ['b', f32([2], [x, x])]]), FULL),
    );
    const received = await Promise.all(
      bodies.map((body) => room.results.receive(put(body), key, ruleFor(digest))),
    );
    const [first = '', second = ''] = received.map(
      (r) => (r as { value: { upload: string } }).value.upload,
    );
    expect(first).not.toBe(second);
    room.results.commit(second, 't', 'a');
    room.results.drop(first);
    while (room.results.sweep());
    expect(room.rows.held()).toBe(held + 32);
    expect(new Float32Array(room.results.read(second, 24, 4).slice().buffer)[0]).toBe(2);
    room.results.release('t');
    expectEmpty(room, held);
  });
});

test('an upload whose task is released meanwhile is over and leaves nothing', async () => {
  const size = 2 * MiB;
  const big = new Map([['w', f32([size / 4], new Float32Array(size / 4))]]);
  const file = resultFile(big, FULL);
  await newRoom().use(async (room) => {
    const digest = await importTensors(room, big);
    const held = room.rows.held();
    const { readable, writable } = new FixedLengthStream(file.length);
    const received = room.results.receive(put(readable), key, ruleFor(digest));
    const writer = writable.getWriter();
    await writer.write(file.slice(0, MiB + 5000));
    room.results.release('t');
    await writer.write(file.slice(MiB + 5000));
    await writer.close();
    expect(await received).toEqual({ ok: true, value: { kind: 'over' } });
    expectEmpty(room, held);
  });
});

test('what was not committed is dead after an eviction', async () => {
  const room = newRoom();
  const { first, second } = await room.use(async (now) => {
    const digest = await importTensors(now, model);
    const all: string[] = [];
    for (const site of ['a', 'b']) {
      const received = await now.results.receive(put(good()), { task: 't', site }, ruleFor(digest));
      all.push((received as { value: { upload: string } }).value.upload);
    }
    const [first = '', second = ''] = all;
    now.results.commit(first, 't', 'a');
    return { first, second };
  });
  await room.evict();
  await room.use(({ results, rows }) => {
    results.clearDead();
    while (rows.sweep());
    expect(results.read(first, 0, 4).length).toBe(4);
    expect(() => results.read(second, 0, 4)).toThrow(RangeError);
    expect(() => results.table(second)).toThrow(RangeError);
  });
});

test('a full job refuses before it stages', async () => {
  const file = good();
  const modelBytes = encode(model).length;
  for (const [capacity, accepted] of [
    [modelBytes + 32, true],
    [modelBytes + 31, false],
  ] as const) {
    await newRoom({ capacity }).use(async (room) => {
      const digest = await importTensors(room, model);
      const received = await room.results.receive(put(file), key, ruleFor(digest));
      expect(received).toMatchObject(
        accepted ? { ok: true } : { error: { reason: 'storage-full' } },
      );
    });
  }
});
