import { expect, test } from 'vitest';
import type { Tensors } from '../tensors/tensor.ts';
import { excludeVars } from './exclude-vars.ts';
import { attempt } from './filtering.suite.ts';

const one = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 1) } as const;
const tensors: Tensors = new Map(
  ['conv.w', 'bn.weight', 'bn.bias', 'fc', '__proto__'].map((name) => [name, one]),
);
const apply = (exclude: unknown) => {
  const filter = excludeVars.make({ excludeVars: exclude });
  if (!filter.ok) return filter.error;
  const result = attempt([filter.value], tensors, { parcel: { kind: 'WEIGHTS' } });
  return result.ok ? result.value.tensors.specs.map(({ name }) => name) : result.error;
};

test('a regular expression is found anywhere in the name, as re.search does', () => {
  // NVFlare's ExcludeVars leaves conv.w and fc (vectors/flare-golden.json exclude_regex)
  expect(apply('bn|proto')).toEqual(['conv.w', 'fc']);
  expect(apply('^bn\\.')).toEqual(['conv.w', 'fc', '__proto__']);
});

test('names in a list are whole names, not patterns', () => {
  expect(apply(['bn.weight', '__proto__', 'f'])).toEqual(['conv.w', 'bn.bias', 'fc']);
});

test('a list may have globs', () => {
  expect(apply(['bn.*', '__????o__'])).toEqual(['conv.w', 'fc']);
  expect(apply(['?c', '@all'])).toEqual(['conv.w', 'bn.weight', 'bn.bias', '__proto__']);
});

test('excluding everything is declined: there would be nothing to send', () => {
  expect(apply('.')).toMatchObject({ reason: 'nothing-left', filter: 'exclude-vars' });
});

test.each([['('], [''], [[]], [[1]], [7], ['x'.repeat(257)], ['(a)\\1']])(
  '%j is refused',
  (exclude) => {
    expect(apply(exclude)).toMatchObject([{ path: 'excludeVars' }]);
  },
);
