import { env } from 'cloudflare:workers';
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { JobSpec } from '../../core/protocol/job.ts';
import { GiB, LIMITS, MiB } from '../../core/protocol/limits.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { f32, sha256Of } from '../../tests/workerd/bytes-room.ts';
import { Alarms } from '../state/alarms.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { ChunkRows } from '../bytes/chunk-rows.ts';
import { DiskBlobs } from '../blobs/disk-blobs.ts';
import type { Env } from '../env.ts';
import { JobRecord } from '../state/job-record.ts';
import { kernel } from '../folding/kernel.ts';
import { ModelArchive } from './model-archive.ts';
import { ModelStore } from './model-store.ts';
import { R2Blobs } from '../blobs/r2-blobs.ts';
import { migrateJob } from '../job/schema.ts';

const { BLOB, TEST_R2, TEST_DISK } = env as unknown as Env & {
  TEST_R2: R2Bucket;
  TEST_DISK: Fetcher;
};

const file = encode(
  new Map([
    [
      'w',
      f32(
        [MiB],
        Float32Array.from({ length: MiB }, (_, i) => Math.sin(i)),
      ),
    ],
  ]),
);
const digest = sha256Of(file);
const spec = v.parse(JobSpec, {
  name: 'archive',
  workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 1 } }],
  executors: [{ tasks: ['*'], use: 'app' }],
});

/** An object with one model of 4 MiB, called `global`, of a job of its own. `use` constructs everything anew each time. */
const newArchive = async () => {
  const object = BLOB.newUniqueId();
  // A new one each time: a stub whose object died stays dead.
  const stub = () => BLOB.get(object);
  const id = `job-${crypto.randomUUID()}`;
  const open = (storage: DurableObjectStorage, stores: readonly BlobStore[]) => {
    const { sql } = storage;
    const rows = new ChunkRows(sql, 8 * GiB);
    const models = new ModelStore(sql, rows, kernel);
    const alarms = new Alarms(storage);
    const record = new JobRecord(sql);
    const archive = new ModelArchive({ sql, record, models, alarms, stores });
    let now = Date.now();
    return {
      sql,
      rows,
      models,
      archive,
      record,
      id,
      /** What the alarm does, `ms` later. */
      ring: (ms = 0) => {
        now += ms;
        return archive.move(archive.take(now), (what) => what(now));
      },
      /** The alarm, where nothing can be written. */
      ringInVain: () =>
        archive.move(archive.take(now), () => {
          throw new Error('database or disk is full: SQLITE_FULL');
        }),
      erase: () => archive.erase(),
      begin: () => archive.begin(now),
      state: () =>
        sql
          .exec<{ state: string; attempts: number; due: number | null }>(
            'SELECT state, attempts, due FROM archive',
          )
          .toArray()
          .map(({ state, attempts, due }) => [state, attempts, due === null ? null : due - now])[0],
      read: async () => {
        const answer = await archive.serve(digest, new Request('http://job/models/global'));
        return answer.ok ? sha256Of(new Uint8Array(await answer.arrayBuffer())) : answer.json();
      },
    };
  };
  await runInDurableObject(stub(), async (_, { storage }) => {
    migrateJob(storage.sql);
    const { models, record } = open(storage, []);
    record.create({ id, spec, submitted: 0, clonedFrom: null });
    const imported = await models.importModel(digest, new Response(file).body as ReadableStream);
    if (imported.ok) models.setName('global', imported.value);
  });
  return {
    evict: () => evictDurableObject(stub()),
    /** Ends the object at once, whatever it is at. */
    die: () =>
      runInDurableObject(stub(), (_, state) => state.abort('dies here')).catch(() => undefined),
    use: (
      stores: readonly BlobStore[],
      action: (room: ReturnType<typeof open>) => Promise<void> | void,
    ): Promise<void> =>
      runInDurableObject(stub(), (_, { storage }) => action(open(storage, stores))),
  };
};

/** A store with some methods of its own. */
const but = (store: BlobStore, own: Partial<BlobStore>): BlobStore => ({
  name: store.name,
  keep: (...args) => store.keep(...args),
  stream: (...args) => store.stream(...args),
  delete: (...args) => store.delete(...args),
  ...own,
});

/** A store whose copies stop in the middle, until they are let go. */
const halting = (store: BlobStore) => {
  let reached = (): void => {};
  let go = (): void => {};
  const middle = new Promise<void>((resolve) => (reached = resolve));
  const gate = new Promise<void>((resolve) => (go = resolve));
  const keep: BlobStore['keep'] = (blob, body) => {
    const { readable, writable } = new FixedLengthStream(blob.bytes);
    const halt = async (source: ReadableStream<Uint8Array>): Promise<void> => {
      const reader = source.getReader();
      const writer = writable.getWriter();
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          await writer.write(value);
          reached();
          await gate;
        }
        await writer.close();
      } catch (error) {
        await writer.abort(error);
      }
    };
    void halt(body());
    return store.keep(blob, () => readable);
  };
  return { store: but(store, { keep }), middle, go: () => go() };
};

for (const store of [new R2Blobs(TEST_R2), new DiskBlobs(TEST_DISK)]) {
  test(`${store.name}: copied, read there, the rows go after the grace, erased`, async () => {
    const { use, evict } = await newArchive();
    await use([store], async ({ begin, ring, state, read, rows }) => {
      begin();
      begin();
      expect(state()).toEqual(['owed', 0, 0]);
      expect(await read()).toBe(digest);
      await ring();
      expect(state()).toEqual(['both', 0, LIMITS.modelGraceMS]);
      expect(rows.held()).toBe(file.length);
      expect(await read()).toBe(digest);
    });
    await evict();
    await use([store], async ({ ring, state, read, rows, sql, archive, id }) => {
      await ring(LIMITS.modelGraceMS - 1000);
      expect(state()?.[0]).toBe('both');
      await ring(2000);
      expect(state()).toEqual(['there', 0, null]);
      while (rows.sweep());
      expect(rows.held()).toBe(0);
      expect(sql.exec('SELECT * FROM chunks').toArray()).toEqual([]);
      expect(await read()).toBe(digest);
      await archive.erase();
      await archive.erase();
      const blob = { name: `${id}.${digest}`, digest, bytes: file.length };
      await expect(store.stream(blob, 0, file.length)).rejects.toThrow(RangeError);
    });
  });

  test(`${store.name}: an object that dies in the middle of a copy begins it anew`, async () => {
    const { use, die } = await newArchive();
    const slow = halting(store);
    await use([slow.store], async ({ begin, ring, read, state }) => {
      begin();
      void ring();
      await slow.middle;
      expect(state()?.[0]).toBe('owed');
      expect(await read()).toBe(digest);
    });
    await die();
    await use([store], async ({ ring, state, read, archive, id }) => {
      const blob = { name: `${id}.${digest}`, digest, bytes: file.length };
      await expect(store.stream(blob, 0, file.length)).rejects.toThrow(RangeError);
      expect(await read()).toBe(digest);
      await ring();
      expect(state()?.[0]).toBe('owed'); // not due yet
      await ring(2000);
      expect(state()?.[0]).toBe('both');
      expect(await read()).toBe(digest);
      await archive.erase();
    });
  });
}

const r2 = new R2Blobs(TEST_R2);

test('a copy that was made, but of which the object did not hear, is not made again', async () => {
  const { use, evict } = await newArchive();
  await use([r2], async ({ begin, id }) => {
    begin();
    const body = () => new Response(file).body as ReadableStream;
    await r2.keep({ name: `${id}.${digest}`, digest, bytes: file.length }, body);
  });
  await evict();
  const once = but(r2, { keep: () => Promise.reject(new Error('again')) });
  await use([once], async ({ ring, state }) => {
    await ring();
    expect(state()?.[0]).toBe('both');
  });
});

test('a store that fails is tried again, ever more slowly, while the rows serve; a false copy is not believed', async () => {
  const { use } = await newArchive();
  let broken: 'keep' | 'lie' | null = 'keep';
  const flaky = but(r2, {
    keep: async (blob, body) => {
      if (broken === 'keep') throw new Error('no store today');
      const wrong = file.slice();
      wrong[wrong.length - 1] = 7;
      if (broken === 'lie') await TEST_R2.put(`blobs/${blob.name}`, wrong);
      else await r2.keep(blob, body);
    },
  });
  await use([flaky], async ({ begin, ring, state, read, archive }) => {
    begin();
    await ring();
    expect(state()).toEqual(['owed', 1, 2000]);
    await ring(2000);
    expect(state()).toEqual(['owed', 2, 4000]);
    for (let n = 0; n < 20; n++) await ring(300_000);
    expect(state()).toEqual(['owed', 22, 300_000]);
    broken = 'lie';
    await ring(300_000);
    expect(state()?.[0]).toBe('owed');
    expect(await read()).toBe(digest);
    broken = null;
    await ring(300_000);
    expect(state()?.[0]).toBe('both');
    await archive.erase();
  });
});

test('a job that is deleted in the middle of a copy ends it, and leaves nothing', async () => {
  const { use } = await newArchive();
  const slow = halting(r2);
  await use([slow.store], async ({ begin, ring, archive, id, state }) => {
    begin();
    const moved = ring();
    await slow.middle;
    const erased = archive.erase();
    slow.go();
    await erased;
    await moved;
    expect(await TEST_R2.head(`blobs/${id}.${digest}`)).toBeNull();
    await ring(600_000);
    expect(state()?.[0]).toBe('owed');
    expect(await TEST_R2.head(`blobs/${id}.${digest}`)).toBeNull();
  });
});

test('a store that is no longer bound: what has rows is read there, the rest is unavailable, and nothing is forgotten', async () => {
  const { use } = await newArchive();
  await use([r2], async ({ begin, ring }) => {
    begin();
    await ring();
  });
  await use([], async ({ read, ring, state }) => {
    expect(await read()).toBe(digest);
    await ring(LIMITS.modelGraceMS);
    expect(state()?.slice(0, 2)).toEqual(['both', 1]);
  });
  await use([r2], ({ ring }) => ring(2 * LIMITS.modelGraceMS));
  await use([], async ({ read, archive }) => {
    expect(await read()).toMatchObject({ reason: 'unavailable' });
    await expect(archive.erase()).rejects.toThrow('r2 is not bound');
  });
  await use([r2], async ({ read, archive }) => {
    expect(await read()).toBe(digest);
    await archive.erase();
  });
});

test('without a store nothing moves; a clock set back delays nothing for long', async () => {
  const { use } = await newArchive();
  await use([], ({ begin, state }) => {
    begin();
    expect(state()).toBeUndefined();
  });
  await use([r2], async ({ begin, ring, archive, state }) => {
    begin();
    await ring();
    const yesterday = Date.now() - 86_400_000;
    archive.clockWentBack(yesterday);
    expect(archive.nextDue()).toBe(yesterday + LIMITS.modelGraceMS);
    expect(state()?.[0]).toBe('both');
    await archive.erase();
  });
});

test('a full disk as the copy is noted: it is tried again, and the job can be deleted', async () => {
  const { use } = await newArchive();
  const disk = new DiskBlobs(TEST_DISK);
  await use([disk], async ({ begin, ring, ringInVain, state, erase }) => {
    begin();
    await ringInVain();
    expect(state()?.[0]).toBe('owed');
    await ring(2000);
    expect(state()?.[0]).toBe('both');
    await erase();
  });
});
