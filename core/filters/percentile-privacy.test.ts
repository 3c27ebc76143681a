import { expect, test } from 'vitest';
import { vectors } from '../privacy/vectors.suite.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import {
  attempt,
  filtered,
  fromListed,
  made,
  refusedAt,
  tensor,
  toListed,
} from './filtering.suite.ts';
import type { ListedTensors } from './filtering.suite.ts';

interface PercentileVector {
  readonly percentile: number;
  readonly gamma: number;
  readonly steps: number;
  readonly in: ListedTensors;
  readonly out: ListedTensors;
}

test.each(vectors<PercentileVector[]>('percentile'))(
  "NVFlare's PercentilePrivacy: $percentile, $gamma, $steps steps",
  ({ percentile, gamma, steps, in: given, out }) => {
    const filter = made('percentile-privacy', { percentile, gamma });
    const meta = { NUM_STEPS_CURRENT_ROUND: steps };
    const result = filtered([filter], fromListed(given), { parcel: { meta }, piece: 7 });
    expect(toListed(result.tensors)).toEqual(out);
    expect(result.meta).toEqual({ ...meta, filter_history: ['percentile-privacy'] });
  },
);

test('the golden update of two steps', () => {
  const tensors = new Map([
    ['a', tensor('F64', 0.001, -0.02, 0.05, 0.2)],
    ['b', { ...tensor('F64', -0.004, 0.008, 0.016, -0.032), shape: [2, 2] }],
  ]);
  const { tensors: out } = filtered([made('percentile-privacy', { percentile: 50 })], tensors, {
    parcel: { meta: { NUM_STEPS_CURRENT_ROUND: 2 } },
  });
  // shared golden values, percentile_p50_g.01_steps2
  expect(toListed(out)).toMatchObject({
    a: { data: [0, -0.02, 0.02, 0.02] },
    b: { data: [0, 0, 0, -0.02] },
  });
});

test('buffers and integers neither count nor change', () => {
  const tensors = new Map([
    ['w', tensor('F32', 1, 2, 4)],
    ['stat', tensor('F32', 1000, 1000, 1000)],
    ['count', tensor('I64', 7)],
  ]);
  const roles = new Map<string, TensorRole>([['stat', 'buffer']]);
  const filter = made('percentile-privacy', { percentile: 50, gamma: 3 });
  const { tensors: out } = filtered([filter], tensors, { roles });
  expect([...(out.get('w')?.data ?? [])]).toEqual([0, 2, 3]);
  expect(out.get('stat')).toEqual(tensors.get('stat'));
  expect(out.get('count')).toEqual(tensors.get('count'));
});

test('what is not finite, and whole parameters, are declined', () => {
  const filter = made('percentile-privacy');
  for (const x of [NaN, Infinity]) {
    expect(attempt([filter], new Map([['w', tensor('F32', 1, x)]]))).toMatchObject({
      error: { reason: 'non-finite', filter: 'percentile-privacy' },
    });
  }
  expect(
    attempt([filter], new Map([['w', tensor('F32', 1)]]), { parcel: { kind: 'WEIGHTS' } }),
  ).toMatchObject({ error: { reason: 'needs-diff' } });
});

test.each([
  [{ percentile: 101 }, 'percentile'],
  [{ percentile: -1 }, 'percentile'],
  [{ gamma: 0 }, 'gamma'],
  [{ gamma: '1' }, 'gamma'],
  [{ gama: 1 }, 'gama'],
])('%j is refused', (args, path) => {
  expect(refusedAt('percentile-privacy', args)).toEqual([path]);
});
