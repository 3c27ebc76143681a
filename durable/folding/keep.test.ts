import { expect, test } from 'vitest';
import { MiB } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import {
  f32,
  importTensors,
  newRoom,
  resultFile,
  ruleFor,
  sha256Of,
  submit,
} from '../../tests/workerd/bytes-room.ts';
import { digestOf, finish, noise, read, values } from '../../tests/workerd/folds.ts';

test('keep makes a model of each site, bit for bit', async () => {
  await newRoom().use(async (room) => {
    const base = await importTensors(room, new Map([['w', f32([3], [0, 0, 0])]]));
    const outputs = [];
    for (const [i, site] of ['a', 'b'].entries()) {
      const file = resultFile(new Map([['w', f32([3], [-0, i, 1e-40])]]));
      const upload = await submit(room, site, file, ruleFor(base));
      outputs.push({ key: site, use: 'keep', replies: [{ site, weight: 1, upload }] });
    }
    outputs.push({ key: 'c', use: 'keep', replies: [] });
    room.folding.open('t', { base, paramsType: 'FULL', outputs });
    const state = finish(room);
    expect(digestOf(state, 'c')).toBe('none');
    for (const [i, site] of ['a', 'b'].entries()) {
      const [first, ...rest] = values(await read(room, digestOf(state, site)), 'w');
      expect([Object.is(first, -0), ...rest]).toEqual([true, i, Math.fround(1e-40)]);
    }
    expect(digestOf(state, 'a')).toBe(sha256Of(encode(new Map([['w', f32([3], [-0, 0, 1e-40])]]))));
  });
});

test("keep hands over an upload's own rows where its tensors lie as in the model", async () => {
  await newRoom().use(async (room) => {
    const size = MiB / 4 + 1;
    const model = new Map([
      ['w', f32([size], noise(0, size))],
      ['b', f32([2], [1, 2])],
    ]);
    const base = await importTensors(room, model);
    const sent = new Map([
      ['w', f32([size], noise(1, size))],
      ['b', f32([2], [3, 4])],
    ]);
    const same = await submit(room, 'a', resultFile(sent), ruleFor(base));
    const turned = await submit(room, 'b', resultFile(new Map([...sent].reverse())), ruleFor(base));
    const held = room.rows.held();
    const outputs = [
      { key: 'a', use: 'keep', replies: [{ site: 'a', weight: 1, upload: same }] },
      { key: 'b', use: 'keep', replies: [{ site: 'b', weight: 1, upload: turned }] },
    ];
    const bytes = 4 * size + 8;
    room.folding.open('t', { base, paramsType: 'FULL', outputs });
    const state = finish(room);
    expect(digestOf(state, 'a')).toBe(sha256Of(encode(sent)));
    expect(digestOf(state, 'b')).toBe(digestOf(state, 'a'));
    room.folding.drop('t');
    room.results.release('t');
    while (room.rows.sweep());
    expect(room.rows.held()).toBeLessThan(held - bytes + 1000);
    expect(values(await read(room, digestOf(state, 'a')), 'b')).toEqual([3, 4]);
  });
});

test('keep needs no room for uploads that lie as the model does', async () => {
  const size = MiB / 4;
  const tensors = (seed: number) => new Map([['w', f32([size], noise(seed, size))]]);
  await newRoom({ capacity: 3.5 * MiB }).use(async (room) => {
    const base = await importTensors(room, tensors(0));
    const outputs = [];
    for (const [i, site] of ['a', 'b'].entries()) {
      const upload = await submit(room, site, resultFile(tensors(i + 1)), ruleFor(base));
      outputs.push({ key: site, use: 'keep', replies: [{ site, weight: 1, upload }] });
    }
    room.folding.open('t', { base, paramsType: 'FULL', outputs });
    const state = finish(room);
    room.results.release('t');
    while (room.rows.sweep());
    expect(digestOf(state, 'b')).toBe(sha256Of(encode(tensors(2))));
    expect(values(await read(room, digestOf(state, 'b')), 'w')).toEqual([...noise(2, size)]);
  });
});

test('an abort in the middle of keep leaves the uploads to their owner', async () => {
  const size = (3 * MiB) / 4;
  await newRoom({ sliceBytes: MiB }).use(async (room) => {
    const tensors = new Map([['w', f32([size], noise(1, size))]]);
    const base = await importTensors(room, new Map([['w', f32([size], noise(0, size))]]));
    const upload = await submit(room, 'a', resultFile(tensors), ruleFor(base));
    const outputs = [{ key: 'a', use: 'keep', replies: [{ site: 'a', weight: 1, upload }] }];
    room.folding.open('t', { base, paramsType: 'FULL', outputs });
    expect(room.folding.step('t')).toEqual({ state: 'more' });
    room.folding.drop('t');
    while (room.rows.sweep());
    expect(room.results.read(upload, 2 * MiB, 4)).toHaveLength(4);
  });
});
