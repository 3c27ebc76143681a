import { expect, test } from 'vitest';
import { LIMITS, MiB } from '../../core/protocol/limits.ts';
import { newRoom } from '../../tests/workerd/bytes-room.ts';
import { ChunkRows, free } from './chunk-rows.ts';

const pattern = (length: number, seed = 0): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed + (i >> 8)) & 255;
  return bytes;
};

test('a row of 1 MiB is stored, one byte more is refused', async () => {
  await newRoom().use(({ rows }) => {
    const run = rows.begin(2 * MiB, 'kept');
    rows.put(run, 0, new Uint8Array(LIMITS.rowBytes));
    expect(rows.size(run)).toBe(MiB);
    expect(() => rows.put(run, 1, new Uint8Array(LIMITS.rowBytes + 1))).toThrow(RangeError);
    expect(() => rows.put(run, 1, new Uint8Array(0))).toThrow(RangeError);
    expect(rows.size(run)).toBe(MiB);
  });
});

test('appends fill the last row first; reads cross rows', async () => {
  await newRoom().use(({ rows, storage }) => {
    const all = pattern(3 * MiB + 77);
    const run = rows.begin(all.length, 'kept');
    const other = rows.begin(all.length, 'kept');
    rows.append(other, pattern(MiB + 1, 9));
    for (const [from, to] of [
      [0, 5],
      [5, MiB - 1],
      [MiB - 1, 2 * MiB + 3],
      [2 * MiB + 3, all.length],
    ] as const) {
      rows.append(run, all.subarray(from, to));
    }
    const sizes = storage.sql.exec<{ n: number }>(
      'SELECT length(bytes) AS n FROM chunks ORDER BY id',
    );
    expect(sizes.toArray().map(({ n }) => n)).toEqual([MiB, MiB, MiB, 77, MiB, 1]);
    for (const [at, length] of [
      [0, 9],
      [MiB - 4, 8],
      [MiB - 1, 2 * MiB + 2],
      [3 * MiB, 77],
      [12, 0],
    ] as const) {
      expect(Buffer.compare(rows.read(run, at, length), all.subarray(at, at + length))).toBe(0);
    }
    expect(() => rows.read(run, 3 * MiB, 78)).toThrow(RangeError);
    expect(() => rows.read(run, 4 * MiB, 1)).toThrow(RangeError);
  });
});

test('a read within one row is a view of it, and freeing it empties it', async () => {
  await newRoom().use(({ rows }) => {
    const run = rows.begin(100, 'kept');
    rows.append(run, pattern(100));
    const view = rows.read(run, 10, 20);
    expect(view.buffer.byteLength).toBe(100);
    free(view);
    expect(view.length).toBe(0);
    expect(rows.read(run, 10, 1)[0]).toBe(pattern(11)[10]);
  });
});

test('dead runs are deleted in slices of rows; others stay', async () => {
  await newRoom().use(({ rows, storage }) => {
    const kept = rows.begin(1, 'kept');
    rows.put(kept, 0, pattern(1));
    for (let i = 0; i < 3; i++) {
      const run = rows.begin(1000, 'kept');
      for (let n = 0; n < 150; n++) rows.put(run, n, pattern(1));
      rows.kill(run);
    }
    expect(rows.held()).toBe(1);
    const left = () => storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM chunks').one().n;
    expect(rows.sweep()).toBe(true);
    expect(left()).toBeGreaterThanOrEqual(451 - LIMITS.deleteRows);
    while (rows.sweep());
    expect(left()).toBe(1);
    expect(storage.sql.exec('SELECT * FROM chunk_runs').toArray()).toHaveLength(1);
    expect(rows.begin(1, 'kept')).toBe(kept + 4);
  });
});

test('what is held is counted as runs come and go, twice killed, revived and rolled back', async () => {
  await newRoom().use(({ rows, storage }) => {
    const check = (expected: number): void => {
      const sum = `SELECT coalesce(sum(bytes), 0) AS n FROM chunk_runs WHERE state != 'dead'`;
      expect(storage.sql.exec<{ n: number }>(sum).one().n).toBe(expected);
      expect(rows.held()).toBe(expected);
    };
    const [a, b] = [rows.begin(10, 'kept'), rows.begin(100, 'staged')];
    check(110);
    rows.kill(a);
    rows.kill(a);
    check(100);
    rows.keep(a);
    rows.keep(b);
    check(110);
    const roll = () =>
      storage.transactionSync(() => {
        rows.begin(1000, 'staged');
        throw new Error('rolled back');
      });
    expect(roll).toThrow('rolled back');
    check(110);
    rows.begin(5, 'staged');
    rows.clearStaged();
    check(110);
    rows.kill(b);
    while (rows.sweep());
    check(10);
    rows.kill(b); // gone already
    check(10);
  });
});

test('asking for room reads one row, however many runs there are', async () => {
  await newRoom().use(({ rows, storage }) => {
    for (let i = 0; i < 300; i++) rows.begin(1, 'kept');
    const counting = new ChunkRows(
      {
        exec: (query: string, ...bindings: unknown[]) => {
          const cursor = storage.sql.exec(query, ...bindings);
          const all = cursor.toArray();
          expect(cursor.rowsRead).toBe(1);
          return { one: () => all[0] };
        },
      } as unknown as SqlStorage,
      1000,
    );
    expect(counting.room()).toBe(700);
  });
});
