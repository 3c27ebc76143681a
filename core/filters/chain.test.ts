import { expect, test } from 'vitest';
import type { Tensors } from '../tensors/tensor.ts';
import { applyChain } from './chain.ts';
import { clip } from './clip.ts';
import type { Filter } from './filter.ts';
import { filterNames, findFilter } from './registry.ts';

const f32 = (...values: number[]) =>
  ({ dtype: 'F32', shape: [values.length], data: Float32Array.from(values) }) as const;
const context = { roles: new Map(), paramsType: 'DIFF', rng: () => 0.25 } as const;
const noise: Filter = {
  name: 'noise',
  needs: 'ANY',
  map: ({ data }, _plan, rng) => Float32Array.from(data as Float32Array, (x) => x + rng()),
};
const onlyA: Filter = { name: 'only-a', needs: 'ANY', keeps: (name) => name === 'a' };
const clipTo = (norm: number): Filter => {
  const filter = clip.make({ norm });
  if (!filter.ok) throw new Error('clip refused its arguments');
  return filter.value;
};

test('filters work in order, each on what the one before left', () => {
  const tensors: Tensors = new Map([
    ['a', f32(3)],
    ['b', f32(4)],
  ]);
  const run = (...filters: Filter[]) => {
    const result = applyChain(filters, tensors, context);
    return result.ok
      ? Object.fromEntries([...result.value].map(([k, t]) => [k, [...t.data]]))
      : result;
  };
  expect(run()).toEqual({ a: [3], b: [4] });
  expect(run(onlyA, clipTo(1))).toEqual({ a: [1] });
  expect(run(clipTo(2.5), onlyA)).toEqual({ a: [1.5] });
  expect(run(clipTo(2.5), noise)).toEqual({ a: [1.75], b: [2.25] });
});

test('an empty update stays empty; names of objects are names', () => {
  expect(applyChain([onlyA], new Map(), context)).toEqual({ ok: true, value: new Map() });
  expect(findFilter('constructor')).toBeUndefined();
});

test('the registry says what each filter needs and where it works', () => {
  const facts = filterNames.map((name) => {
    const kind = findFilter(name);
    return [name, kind?.needs, kind?.at, kind?.on, kind?.impliesPartial];
  });
  expect(facts).toEqual([
    ['clip', 'DIFF', ['site'], ['result'], false],
    ['exclude-vars', 'ANY', ['site'], ['result'], true],
  ]);
});
