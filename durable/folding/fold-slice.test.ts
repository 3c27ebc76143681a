import { expect, test, vi } from 'vitest';
import { MiB } from '../../core/protocol/limits.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import {
  f32,
  importTensors,
  newRoom,
  resultFile,
  ruleFor,
  submit,
} from '../../tests/workerd/bytes-room.ts';
import { digestOf, finish, noise, read, values, expected } from '../../tests/workerd/folds.ts';

test('a fold in many slices: evicted or rolled back between all of them, the digest is the same', async () => {
  const rows = 7;
  const sites = 3;
  const sliceBytes = 7 * MiB; // two rows of three sites
  const model = new Map([['w', f32([(rows * MiB) / 4], noise(0, (rows * MiB) / 4))]]);
  const update = resultFile(new Map([['w', f32([(rows * MiB) / 4], noise(1, (rows * MiB) / 4))]]));
  const run = async (between: (room: ReturnType<typeof newRoom>) => Promise<void>) => {
    const room = newRoom({ sliceBytes });
    await room.use(async (now) => {
      const base = await importTensors(now, model);
      const replies = [];
      for (let i = 0; i < sites; i++) {
        const site = `s${i}`;
        replies.push({
          site,
          weight: i + 1,
          upload: await submit(now, site, update, ruleFor(base)),
        });
      }
      const outputs = [{ key: 'global', use: 'mean', replies }];
      now.folding.open('t', { base, paramsType: 'FULL', outputs });
    });
    for (let slices = 1; ; slices++) {
      const state = await room.use(({ folding, storage }) =>
        storage.transactionSync(() => folding.step('t')),
      );
      if (state.state !== 'more') return { digest: digestOf(state), slices };
      await between(room);
    }
  };
  const calm = await run(async () => {});
  expect(calm.slices).toBe(4);
  const evicted = await run((room) => room.evict());
  expect(evicted).toEqual(calm);
  const rolledBack = await run((room) =>
    room.use(({ folding, storage }) => {
      const before = storage.sql.exec('SELECT cell FROM fold_outputs').one();
      expect(() =>
        storage.transactionSync(() => {
          folding.step('t');
          throw new Error('a fault later in the turn');
        }),
      ).toThrow('a fault later');
      expect(storage.sql.exec('SELECT cell FROM fold_outputs').one()).toEqual(before);
    }),
  );
  expect(rolledBack).toEqual(calm);
});

test('in one object, a slice that was rolled back does not spoil the next', async () => {
  const size = (5 * MiB) / 4;
  await newRoom({ sliceBytes: 2 * MiB }).use(async (room) => {
    const base = await importTensors(room, new Map([['w', f32([size], noise(0, size))]]));
    const update = resultFile(new Map([['w', f32([size], noise(1, size))]]));
    const replies = [];
    for (let i = 0; i < 2; i++) {
      replies.push({
        site: `s${i}`,
        weight: 1 + i,
        upload: await submit(room, `s${i}`, update, ruleFor(base)),
      });
    }
    for (const task of ['t', 'u']) {
      room.folding.open(task, {
        base,
        paramsType: 'FULL',
        outputs: [{ key: 'global', use: 'mean', replies }],
      });
    }
    const calm = digestOf(finish(room, 't'));
    const { folding, storage } = room;
    for (let i = 0; ; i++) {
      const step = () =>
        storage.transactionSync(() => {
          const state = folding.step('u');
          if (i % 2 === 0) throw new Error('rolled back');
          return state;
        });
      if (i % 2 === 0) expect(step).toThrow('rolled back');
      else {
        const state = step();
        if (state.state === 'more') continue;
        expect(digestOf(state)).toBe(calm);
        break;
      }
    }
  });
});

/** Folds in slices and gives the digest, and how many bytes of uploads each slice has read. */
const measured = async (
  room: ReturnType<typeof newRoom>,
  between: () => Promise<void> = async () => {},
): Promise<{ digest: string; reads: number[] }> => {
  for (const reads: number[] = []; ;) {
    const state = await room.use(({ folding, storage, results }) => {
      const read = vi.spyOn(results, 'read');
      const step = storage.transactionSync(() => folding.step('t'));
      reads.push(read.mock.calls.reduce((sum, [, , length]) => sum + length, 0));
      return step;
    });
    if (state.state !== 'more') return { digest: digestOf(state), reads };
    await between();
  }
};

/** Opens a fold of the mean of these updates. */
const open = (room: ReturnType<typeof newRoom>, model: Tensors, updates: readonly Tensors[]) =>
  room.use(async (now) => {
    const base = await importTensors(now, model);
    const replies = [];
    for (const [i, tensors] of updates.entries()) {
      const site = `s${String(i).padStart(3, '0')}`;
      const upload = await submit(now, site, resultFile(tensors), ruleFor(base, { partial: true }));
      replies.push({ site, weight: 1 + (i % 3), upload });
    }
    const outputs = [{ key: 'global', use: 'mean', replies }];
    now.folding.open('t', { base, paramsType: 'FULL', outputs });
  });

test('a slice is so many bytes of input however many sites there are, and no bit depends on it', async () => {
  const size = MiB / 4 + 11; // two rows
  const sites = 23;
  const model = new Map([['w', f32([size], noise(0, size))]]);
  const updates = Array.from(
    { length: sites },
    (_, i) => new Map([['w', f32([size], noise(i + 1, size))]]),
  );
  const whole = newRoom();
  await open(whole, model, updates);
  const one = await measured(whole);
  expect(one.reads).toHaveLength(1);
  for (const evict of [false, true]) {
    const room = newRoom({ sliceBytes: 4 * MiB });
    await open(room, model, updates);
    const many = await measured(room, async () => (evict ? room.evict() : undefined));
    expect(many.digest).toBe(one.digest);
    expect(Math.max(...many.reads)).toBeLessThanOrEqual(4 * MiB);
    expect(many.reads.length).toBe(6); // 23 MiB in fours, then the little of the second row
    await room.use(({ folding, results, rows }) => {
      folding.drop('t');
      results.release('t');
      while (rows.sweep());
      expect(rows.held()).toBeLessThan(3 * MiB); // the two models: no sums are left
    });
  }
});

test('many small tensors of many sites: each row of an upload is read once', async () => {
  const names = Array.from({ length: 60 }, (_, i) => `t${i}`);
  const tensorsOf = (seed: number, keep: (i: number) => boolean): Tensors =>
    new Map<string, Tensor>(
      names.flatMap((name, i) => (keep(i) ? [[name, f32([500], noise(seed + i, 500))]] : [])),
    );
  // All but the last send every tensor; the last leaves out every third: as many pieces as patterns alternate.
  const sites = 40;
  const updates = Array.from({ length: sites }, (_, i) =>
    tensorsOf(i * 100, (n) => i < sites - 1 || n % 3 !== 0),
  );
  const room = newRoom();
  await open(
    room,
    tensorsOf(7, () => true),
    updates,
  );
  const { digest, reads } = await measured(room);
  const uploaded = updates.reduce((sum, tensors) => sum + tensors.size * 2000, 0);
  expect(reads).toEqual([uploaded]);
  const result = await room.use((now) => read(now, digest));
  const named = updates.map((tensors, i) => ({
    site: `s${String(i).padStart(3, '0')}`,
    weight: 1 + (i % 3),
    tensors,
  }));
  for (const [i, name] of names.entries()) {
    expect(values(result, name)).toEqual(expected(i % 3 === 0 ? named.slice(0, -1) : named, name));
  }
});
