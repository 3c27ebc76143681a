import { expect, test } from 'vitest';
import { DATA_KINDS } from '../protocol/data-kind.ts';
import { attempt, made, refusedAt } from './filtering.suite.ts';

const passing = (args: object): readonly string[] =>
  DATA_KINDS.filter(
    (kind) => attempt([made('dxo-blocker', args)], new Map(), { parcel: { kind } }).ok,
  );

test('some kinds are blocked, or all others', () => {
  expect(passing({ dataKinds: ['WEIGHTS', 'METRICS'] })).toEqual(
    DATA_KINDS.filter((kind) => kind !== 'WEIGHTS' && kind !== 'METRICS'),
  );
  expect(passing({ dataKinds: ['STATISTICS'], allowDataKinds: true })).toEqual(['STATISTICS']);
});

test('the fault names the kind', () => {
  expect(
    attempt([made('dxo-blocker', { dataKinds: ['METRICS'] })], new Map(), {
      parcel: { kind: 'METRICS' },
    }),
  ).toMatchObject({
    error: { reason: 'blocked', filter: 'dxo-blocker', detail: 'METRICS may not pass' },
  });
});

test.each([
  [{}, 'dataKinds'],
  [{ dataKinds: [] }, 'dataKinds'],
  [{ dataKinds: 'METRICS' }, 'dataKinds'],
  [{ dataKinds: ['METRIC'] }, 'dataKinds[0]'],
  [{ dataKinds: ['METRICS'], allowDataKinds: 1 }, 'allowDataKinds'],
])('%j is refused', (args, path) => {
  expect(refusedAt('dxo-blocker', args)).toEqual([path]);
});
