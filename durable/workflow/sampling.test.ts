import { expect, test } from 'vitest';
import { choose } from './sampling.ts';

const names = Array.from({ length: 20 }, (_, i) => `site-${i}`);
const pick = (seed: number, salt: string, from: readonly string[] = names) =>
  choose(from, 5, { seed, salt });

test('the same seed and salt choose the same sites, sorted by name', () => {
  const chosen = pick(7, '0\n0');
  expect(pick(7, '0\n0', [...names].reverse())).toEqual(chosen);
  expect(chosen).toHaveLength(5);
  expect(chosen).toEqual([...chosen].sort());
});

test('rounds and seeds choose others, and everybody is chosen some time', () => {
  expect(pick(8, '0\n0')).not.toEqual(pick(7, '0\n0'));
  const seen = new Set(Array.from({ length: 40 }, (_, round) => pick(7, `0\n${round}`)).flat());
  expect(seen.size).toBe(20);
});

test('who was not chosen can leave without changing the choice', () => {
  const chosen = pick(7, 'x');
  const other = names.find((name) => !chosen.includes(name));
  expect(
    pick(
      7,
      'x',
      names.filter((name) => name !== other),
    ),
  ).toEqual(chosen);
});

test('asked for all or more, all come', () => {
  expect(choose(['b', 'a'], 2, { seed: 1, salt: '' })).toEqual(['a', 'b']);
  expect(choose(['b', 'a'], 9, { seed: 1, salt: '' })).toEqual(['a', 'b']);
});
