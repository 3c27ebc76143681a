import { expect, test } from 'vitest';
import type { Aggregator } from '../../core/aggregators/aggregator.ts';
import { findAggregator } from '../../core/aggregators/registry.ts';
import { MiB } from '../../core/protocol/limits.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import { f32, importTensors, newRoom } from '../../tests/workerd/bytes-room.ts';
import { digestOf, fold, noise, read, values, expected } from '../../tests/workerd/folds.ts';

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
