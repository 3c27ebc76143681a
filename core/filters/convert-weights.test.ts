import { expect, test } from 'vitest';
import { vectors } from '../privacy/vectors.suite.ts';
import {
  attempt,
  filtered,
  fromListed,
  made,
  receivedOf,
  refusedAt,
  tensor,
  toListed,
} from './filtering.suite.ts';
import type { ListedTensors } from './filtering.suite.ts';

const golden = vectors<Record<'base' | 'new' | 'diff' | 'back', ListedTensors>>('convert');
const toDiff = made('convert-weights', { direction: 'weights_to_diff' });
const toFull = made('convert-weights', { direction: 'diff_to_weights' });
const received = receivedOf(fromListed(golden.base));

test("there and back as NVFlare's ConvertWeights, piece by piece", () => {
  const diff = filtered([toDiff], fromListed(golden.new), {
    received,
    piece: 2,
    parcel: { kind: 'WEIGHTS' },
  });
  expect(diff.kind).toBe('WEIGHT_DIFF');
  expect(toListed(diff.tensors)).toEqual(golden.diff);
  const full = filtered([toFull], diff.tensors, { received, piece: 3 });
  expect(full.kind).toBe('WEIGHTS');
  expect(toListed(full.tensors)).toEqual(golden.back);
});

test('what is already so stays; a filter after it sees what it made', () => {
  const given = fromListed(golden.diff);
  expect(toListed(filtered([toDiff], given).tensors)).toEqual(golden.diff);
  const chained = filtered([toDiff, made('clip', { norm: 1e-3 })], fromListed(golden.new), {
    received,
    parcel: { kind: 'WEIGHTS' },
  });
  const squares = Object.values(toListed(chained.tensors)).flatMap(({ data }) =>
    data.map((x) => x * x),
  );
  expect(Math.sqrt(squares.reduce((a, b) => a + b))).toBeCloseTo(1e-3, 9);
});

test.each([
  ['no model received', undefined],
  ['another model', receivedOf(new Map([['w', tensor('F32', 1)]]))],
  [
    'another dtype',
    receivedOf(
      fromListed({ ...golden.base, w: { dtype: 'F64', shape: [2, 3], data: [1, 2, 3, 4, 5, 6] } }),
    ),
  ],
  [
    'another shape',
    receivedOf(
      fromListed({ ...golden.base, w: { dtype: 'F32', shape: [3, 2], data: [1, 2, 3, 4, 5, 6] } }),
    ),
  ],
])('%s: declined, not sent unconverted', (_, other) => {
  const result = attempt([toDiff], fromListed(golden.new), {
    received: other,
    parcel: { kind: 'WEIGHTS' },
  });
  expect(result).toMatchObject({ error: { reason: 'no-reference', filter: 'convert-weights' } });
});

test.each([[{}], [{ direction: 'sideways' }]])('%j is refused', (args) => {
  expect(refusedAt('convert-weights', args)).toEqual(['direction']);
});
