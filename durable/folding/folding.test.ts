import { expect, test, vi } from 'vitest';
import type { Aggregator } from '../../core/aggregators/aggregator.ts';
import { findAggregator } from '../../core/aggregators/registry.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { MiB } from '../../core/protocol/limits.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import {
  f32,
  importTensors,
  newRoom,
  resultFile,
  ruleFor,
  sha256Of,
  submit,
} from '../../tests/workerd/bytes-room.ts';
import type { Room } from '../../tests/workerd/bytes-room.ts';
import type { FoldState } from './folding.ts';

const finish = ({ folding, storage }: Room, task = 't'): FoldState => {
  for (;;) {
    const step = storage.transactionSync(() => folding.step(task));
    if (step.state !== 'more') return step;
  }
};

const read = async ({ models }: Room, digest: string): Promise<Tensors> => {
  const answer = await models.serve(digest, new Request('http://job/'));
  const bytes = new Uint8Array(await answer.arrayBuffer());
  expect(sha256Of(bytes)).toBe(digest);
  const decoded = decode(bytes);
  if (!decoded.ok) throw new Error(decoded.error.reason);
  expect(decoded.value.metadata.size).toBe(0);
  return decoded.value.tensors;
};

interface Update {
  readonly site: string;
  readonly weight: number;
  readonly tensors: Tensors;
}

/** Folds updates of a model. */
const fold = async (
  room: Room,
  model: Tensors,
  updates: readonly Update[],
  {
    use = 'mean',
    paramsType = 'FULL',
    partial = false,
  }: { paramsType?: ParamsType; partial?: boolean; use?: string } = {},
): Promise<FoldState> => {
  const base = await importTensors(room, model);
  const replies = [];
  for (const { site, weight, tensors } of updates) {
    const file = resultFile(tensors, { params_type: paramsType });
    replies.push({
      site,
      weight,
      upload: await submit(room, site, file, ruleFor(base, { partial })),
    });
  }
  room.folding.open('t', { base, paramsType, outputs: [{ key: 'global', use, replies }] });
  return finish(room);
};

const digestOf = (state: FoldState, key = 'global'): string => {
  if (state.state !== 'done') throw new Error(JSON.stringify(state));
  return state.models[key]?.digest ?? 'none';
};

const values = (tensors: Tensors, name: string): number[] =>
  Array.from((tensors.get(name) as Tensor).data as Float32Array);

test("FLARE's hello-numpy: each of two sites adds 1, FULL and DIFF, with 2 and 5 steps", async () => {
  const numpy = f32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const paramsType of ['FULL', 'DIFF'] as const) {
    await newRoom().use(async (room) => {
      const sent =
        paramsType === 'FULL' ? numpy.data.map((x) => x + 1) : new Float32Array(9).fill(1);
      const tensors = new Map([['numpy_key', f32([3, 3], sent)]]);
      const updates = [
        ['site-1', 2],
        ['site-2', 5],
      ].map(([site, weight]) => ({ site: String(site), weight: Number(weight), tensors }));
      const state = await fold(room, new Map([['numpy_key', numpy]]), updates, { paramsType });
      expect(values(await read(room, digestOf(state)), 'numpy_key')).toEqual([
        2, 3, 4, 5, 6, 7, 8, 9, 10,
      ]);
    });
  }
});

test('the weighted mean is one division: three sites of weight 1 keep 7 as 7', async () => {
  await newRoom().use(async (room) => {
    const model = new Map([['w', f32([1], [0])]]);
    const updates = ['a', 'b', 'c'].map((site) => ({
      site,
      weight: 1,
      tensors: new Map([['w', f32([1], [7])]]),
    }));
    expect(values(await read(room, digestOf(await fold(room, model, updates))), 'w')).toEqual([7]);
  });
});

/** Deterministic numbers of magnitude around 1. */
const noise = (seed: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed * 1000 + i * 1.37) * 1.7);

/** What §4 says, in plain JavaScript. */
const expected = (updates: readonly Update[], name: string): number[] => {
  const sorted = [...updates].sort((a, b) => (a.site < b.site ? -1 : 1));
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  const columns = sorted.map(({ weight, tensors }) => ({ weight, of: values(tensors, name) }));
  return (columns[0]?.of ?? []).map((_, i) => {
    let sum = 0;
    for (const { weight, of } of columns) sum += weight * (of[i] ?? NaN);
    return Math.fround(sum / total);
  });
};

test('arrival order, tensor order and neighbours change no bit', async () => {
  // Small tensors beside each other, one across rows, one of another dtype between.
  const sizes: Record<string, number> = { a: 3, b: 5, c: MiB / 4, d: 7, e: 1 };
  const tensorsOf = (seed: number): Tensors =>
    new Map<string, Tensor>([
      ...Object.entries(sizes).map(([name, n], i) => [name, f32([n], noise(seed + i, n))] as const),
      ['h', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0x4000) }],
    ]);
  const updates = [
    ['s10', 3],
    ['s2', 1],
    ['s1', 7],
  ].map(([site, weight], i) => ({
    site: String(site),
    weight: Number(weight),
    tensors: tensorsOf(i + 1),
  }));
  const turned = updates.map((update, i) => ({
    ...update,
    tensors: i === 1 ? update.tensors : new Map([...update.tensors].reverse()),
  }));
  const digests: string[] = [];
  for (const arriving of [updates, [...updates].reverse(), turned]) {
    for (const partial of [false, true]) {
      await newRoom().use(async (room) => {
        const digest = digestOf(await fold(room, tensorsOf(0), arriving, { partial }));
        const result = await read(room, digest);
        for (const name of Object.keys(sizes))
          expect(values(result, name)).toEqual(expected(updates, name));
        expect(result.get('h')?.data).toEqual(Uint16Array.of(0x3c00, 0x4000));
        digests.push(digest);
      });
    }
  }
  expect(new Set(digests).size).toBe(1);
});

test('partial: a tensor has its own denominator and keeps its value where nobody sent it', async () => {
  await newRoom().use(async (room) => {
    const model = new Map([
      ['both', f32([1], [0])],
      ['one', f32([1], [0])],
      ['none', f32([1], [-0.5])],
    ]);
    const state = await fold(
      room,
      model,
      [
        {
          site: 'a',
          weight: 1,
          tensors: new Map([
            ['both', f32([1], [2])],
            ['one', f32([1], [5])],
          ]),
        },
        { site: 'b', weight: 3, tensors: new Map([['both', f32([1], [6])]]) },
      ],
      { partial: true },
    );
    const result = await read(room, digestOf(state));
    expect(['both', 'one', 'none'].map((name) => values(result, name)[0])).toEqual([5, 5, -0.5]);
  });
});

test('DIFF rounds f64(global) + mean once', async () => {
  await newRoom().use(async (room) => {
    const [g, d] = [Math.fround(0.1), [Math.fround(1e-9), Math.fround(0.3)] as const];
    const updates = d.map((x, i) => ({
      site: `s${i}`,
      weight: i + 1,
      tensors: new Map([['w', f32([1], [x])]]),
    }));
    const state = await fold(room, new Map([['w', f32([1], [g])]]), updates, {
      paramsType: 'DIFF',
    });
    const mean = (d[0] + 2 * d[1]) / 3;
    expect(values(await read(room, digestOf(state)), 'w')).toEqual([Math.fround(g + mean)]);
  });
});

test('a mean that is not finite fails the fold and names the tensor', async () => {
  const max = 3.4e38;
  const size = MiB / 4 + 10;
  await newRoom().use(async (room) => {
    const model = new Map([
      ['fine', f32([5], [0, 0, 0, 0, 0])],
      ['w', f32([size], new Float32Array(size).fill(max))],
    ]);
    const diff = new Float32Array(size);
    diff[size - 2] = max;
    const tensors = new Map([
      ['fine', f32([5], [0, 0, 0, 0, 0])],
      ['w', f32([size], diff)],
    ]);
    const state = await fold(room, model, [{ site: 'a', weight: 1, tensors }], {
      paramsType: 'DIFF',
    });
    expect(state).toMatchObject({
      state: 'failed',
      tensor: 'w',
      reason: expect.stringContaining(`element ${size - 2}`),
    });
    const held = room.rows.held();
    room.folding.drop('t');
    while (room.rows.sweep());
    expect(room.rows.held()).toBe(held - (4 * size + 20));
  });
});

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

test('nothing to fold gives no model', async () => {
  await newRoom().use(async (room) => {
    expect(await fold(room, new Map([['w', f32([1], [1])]]), [])).toEqual({
      state: 'done',
      models: { global: null },
    });
  });
});

test('an aggregator that is not there fails the fold', async () => {
  await newRoom().use(async (room) => {
    const tensors = new Map([['w', f32([1], [1])]]);
    const state = await fold(room, tensors, [{ site: 'a', weight: 1, tensors }], {
      use: 'median-of-nothing',
    });
    expect(state).toEqual({ state: 'failed', reason: "no aggregator 'median-of-nothing'" });
  });
});

test('a fold that gives the model it began with is that model', async () => {
  await newRoom().use(async (room) => {
    const tensors = new Map([['w', f32([1], [1])]]);
    const base = await importTensors(room, tensors);
    const state = await fold(room, tensors, [{ site: 'a', weight: 1, tensors }]);
    expect(digestOf(state)).toBe(base);
    while (room.rows.sweep());
    expect(values(await read(room, base), 'w')).toEqual([1]);
  });
});

/** Scales every site by 1 / (its largest absolute value) and sums: needs a pass before the fold. */
const scaledSum: Aggregator<Record<string, number>> = {
  name: 'scaled-sum',
  scan: {
    start: (sites) => Object.fromEntries(sites.map((site) => [site, 0])),
    visit(plan, slices) {
      const next = { ...plan };
      for (const { site, bytes } of slices) {
        for (const x of new Float32Array(bytes.slice().buffer))
          next[site] = Math.max(next[site] ?? 0, Math.abs(x));
      }
      return next;
    },
  },
  fold(slices, { elements }, plan) {
    const sum = new Float32Array(elements);
    for (const { site, bytes } of slices) {
      for (const [i, x] of new Float32Array(bytes.slice().buffer).entries())
        sum[i] = (sum[i] ?? 0) + x / (plan?.[site] ?? 1);
    }
    return new Uint8Array(sum.buffer);
  },
};

test('an aggregator with a scan sees all before it folds', async () => {
  const find = (name: string) =>
    name === 'scaled-sum' ? (scaledSum as unknown as Aggregator) : findAggregator(name);
  await newRoom({ find }).use(async (room) => {
    const size = MiB / 4;
    const tensorsOf = (x: number) =>
      new Map([
        ['w', f32([size], new Float32Array(size).fill(x))],
        ['last', f32([1], [2 * x])],
      ]);
    const updates = [
      ['a', 4],
      ['b', 10],
    ].map(([site, x]) => ({ site: String(site), weight: 1, tensors: tensorsOf(Number(x)) }));
    const state = await fold(room, tensorsOf(1), updates, { use: 'scaled-sum' });
    const result = await read(room, digestOf(state));
    expect([values(result, 'w')[0], values(result, 'last')[0]]).toEqual([1, 2]);
  });
});

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
