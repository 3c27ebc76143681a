import { expect, test } from 'vitest';
import { vectors } from '../privacy/vectors.suite.ts';
import { attempt, filtered, made, refusedAt } from './filtering.suite.ts';

const golden = vectors<{ in: unknown; out: unknown; uniforms: readonly number[] }>('statistics');
const cleanse = (
  data: unknown,
  args: object = {},
  kind: 'STATISTICS' | 'ANALYTIC' = 'STATISTICS',
) => {
  const draws = [...golden.uniforms];
  return filtered([made('statistics-privacy', args)], new Map(), {
    parcel: { kind, data },
    random: () => () => draws.shift() ?? 0.5,
  }).data;
};

test("NVFlare's three cleansers, in its recipe's order, with the same draws", () => {
  expect(cleanse(golden.in)).toEqual(golden.out);
  expect(JSON.stringify(golden.in)).not.toBe(JSON.stringify(golden.out));
});

test('noise moves bounds outwards only, by its level of the value', () => {
  const bounds = (min: number, max: number) => ({
    count: { all: { x: 100 } },
    min: { all: { x: min } },
    max: { all: { x: max } },
  });
  for (const [min, max] of [
    [-4, 4],
    [2, 3],
    [-9, -7],
    [0, 0],
  ] as const) {
    const out = cleanse(bounds(min, max), {
      minNoiseLevel: 0.25,
      maxNoiseLevel: 0.25,
    }) as ReturnType<typeof bounds>;
    expect(out.min.all.x).toBeCloseTo(min === 0 ? -0.75e-5 : min - Math.abs(min) / 4, 12);
    expect(out.max.all.x).toBeCloseTo(max === 0 ? 1.25e-5 : max + Math.abs(max) / 4, 12);
  }
});

test('a feature whose count is not told has none, and a histogram without bins too many', () => {
  const data = {
    count: { all: { x: 100 } },
    mean: { all: { x: 1, y: 2 } },
    histogram: { all: { x: { total: 3 } } },
  };
  expect(cleanse(data)).toEqual({
    count: { all: { x: 100 } },
    mean: { all: { x: 1 } },
    histogram: { all: {} },
  });
});

test('limits are met exactly: at the least count, below the most bins', () => {
  const data = (count: number, bins: number) => ({
    count: { all: { x: count } },
    histogram: { all: { x: { bins: Array.from({ length: bins }, () => [0, 1, 1]) } } },
  });
  const kept = (count: number, bins: number): boolean =>
    JSON.stringify(cleanse(data(count, bins))) === JSON.stringify(data(count, bins));
  expect([kept(10, 0), kept(9, 0), kept(50, 4), kept(50, 5)]).toEqual([true, false, true, false]);
  // Python rounds 2.5 to 2
  expect([kept(25, 1), kept(25, 2), kept(35, 3)]).toEqual([true, false, true]);
});

test('other kinds pass; statistics that are none are declined by name', () => {
  expect(cleanse({ count: 1 }, {}, 'ANALYTIC')).toEqual({ count: 1 });
  for (const data of [undefined, [1], { count: 1 }, { count: { all: 3 } }]) {
    expect(
      attempt([made('statistics-privacy')], new Map(), { parcel: { kind: 'STATISTICS', data } }),
    ).toMatchObject({ error: { reason: 'malformed', filter: 'statistics-privacy' } });
  }
});

test.each([
  [{ minCount: -1 }, 'minCount'],
  [{ minNoiseLevel: 2 }, 'minNoiseLevel'],
  [{ maxNoiseLevel: -0.1 }, 'maxNoiseLevel'],
  [{ minNoiseLevel: 0.5 }, 'maxNoiseLevel'],
  [{ maxBinsPercent: 101 }, 'maxBinsPercent'],
  [{ cleansers: [] }, 'cleansers'],
])('%j is refused', (args, path) => {
  expect(refusedAt('statistics-privacy', args)).toContain(path);
});
