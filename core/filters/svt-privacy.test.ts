import { expect, test } from 'vitest';
import { vectors } from '../privacy/vectors.suite.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import { toFloat64 } from '../tensors/elements.ts';
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

interface SvtVector {
  readonly args: Readonly<Record<string, unknown>> & { readonly noise_var: number };
  readonly steps: number;
  readonly in: ListedTensors;
  readonly out: ListedTensors;
}
const camel = ({ noise_var: noiseVar, ...rest }: SvtVector['args']) => ({ ...rest, noiseVar });

test.each(vectors<SvtVector[]>('svt'))(
  'the same draws as another implementation on whole arrays: $args',
  ({ args, steps, in: given, out }) => {
    const result = filtered([made('svt-privacy', camel(args))], fromListed(given), {
      parcel: { meta: { NUM_STEPS_CURRENT_ROUND: steps } },
      piece: 5,
    });
    const got = toListed(result.tensors);
    expect(Object.keys(got)).toEqual(Object.keys(out));
    for (const [name, { dtype, data }] of Object.entries(out)) {
      const most = Math.max(...data.map(Math.abs));
      expect(got[name]?.dtype).toBe(dtype);
      data.forEach((x, i) => {
        const y = got[name]?.data[i] as number;
        expect(y === 0).toBe(x === 0);
        expect(Math.abs(x - y)).toBeLessThanOrEqual((dtype === 'F32' ? 1e-7 : 1e-14) * most);
      });
    }
  },
);

interface SvtMoments {
  readonly replace: boolean;
  readonly runs: number;
  readonly args: SvtVector['args'];
  readonly values: readonly number[];
  readonly rates: readonly number[];
  readonly released: readonly [mean: number, deviation: number];
}

test.each(vectors<SvtMoments[]>('svt_moments'))(
  "releases the same values as often as NVFlare's SVTPrivacy, replace $replace",
  ({ replace, runs, args, values, rates, released }) => {
    const filter = made('svt-privacy', { ...camel(args), replace });
    const counts = values.map(() => 0);
    let total = 0;
    for (let seed = 0; seed < runs; seed++) {
      const tensors = new Map([['w', tensor('F64', ...values)]]);
      const { tensors: out } = filtered([filter], tensors, { seed });
      const { data } = out.get('w') ?? tensor('F64');
      data.forEach((x, i) => {
        if (x === 0) return;
        counts[i] = (counts[i] as number) + 1;
        total += 1;
      });
    }
    const error = Math.hypot(released[1], released[1], 1e-9) / Math.sqrt(runs);
    expect(Math.abs(total / runs - released[0])).toBeLessThanOrEqual(4 * error);
    rates.forEach((rate, ten) => {
      const got = counts.slice(10 * ten, 10 * ten + 10).reduce((a, b) => a + b) / (10 * runs);
      const spread = Math.sqrt((2 * rate * (1 - rate)) / runs); // as if the ten moved together
      expect(Math.abs(got - rate)).toBeLessThanOrEqual(4 * spread + 1e-3);
    });
    expect(Math.min(...rates)).toBeLessThan(0.05);
  },
);

test('what was spent is told, and nothing that the data decide', () => {
  const { meta } = filtered(
    [made('svt-privacy')],
    new Map([['w', tensor('F32', ...Array.from({ length: 40 }, () => 1e-5))]]),
  );
  expect(meta['svt_privacy_budget']).toEqual({
    accountant: 'pure_dp_sum',
    scope: 'filter-level',
    delta: 0,
    epsilon_total: 0.5,
    epsilon_threshold: expect.closeTo(0.02, 12) as number,
    epsilon_query: expect.closeTo(0.08, 12) as number,
    epsilon_release: 0.4,
    n_upload: 4,
  });
});

test('values are cut to gamma a step, and a 0-d tensor is protected as well', () => {
  const filter = made('svt-privacy', {
    fraction: 1,
    gamma: 0.5,
    tau: -1e9,
    noiseVar: 1e6,
    replace: false,
  });
  const tensors = new Map([
    ['w', tensor('F64', 100, -100, 0.25)],
    ['s', { ...tensor('F64', 7), shape: [] }],
  ]);
  const { tensors: out } = filtered([filter], tensors, {
    parcel: { meta: { NUM_STEPS_CURRENT_ROUND: 2 } },
  });
  const all = [...out.values()].flatMap(({ dtype, data }) => [...toFloat64(dtype, data)]);
  expect(all.map((x) => Number(x.toFixed(3)))).toEqual([1, -1, 0.25, 1]);
});

test('buffers would go out as they are: only if allowed', () => {
  const tensors = new Map([
    ['w', tensor('F32', 1)],
    ['bn.mean', tensor('F32', 3)],
  ]);
  const roles = new Map<string, TensorRole>([['bn.mean', 'buffer']]);
  expect(attempt([made('svt-privacy')], tensors, { roles })).toMatchObject({
    error: { reason: 'unprotected', detail: expect.stringContaining("'bn.mean'") as string },
  });
  const { tensors: out } = filtered([made('svt-privacy', { others: 'send' })], tensors, { roles });
  expect(out.get('bn.mean')).toEqual(tensors.get('bn.mean'));
});

test('a threshold that nothing reaches ends, and what is not finite is declined', () => {
  const run = (tau: number, x: number) =>
    attempt(
      [made('svt-privacy', { tau, gamma: 1e-9, epsilon: 1e6, fraction: 0.5 })],
      new Map([['w', tensor('F32', x, 1)]]),
    );
  expect(run(1e9, 1)).toMatchObject({ error: { reason: 'no-end' } });
  for (const x of [NaN, -Infinity])
    expect(run(0, x)).toMatchObject({ error: { reason: 'non-finite' } });
});

test.each([
  [{ fraction: 0 }, 'fraction'],
  [{ fraction: 1.5 }, 'fraction'],
  [{ epsilon: 0 }, 'epsilon'],
  [{ noiseVar: -1 }, 'noiseVar'],
  [{ gamma: 0 }, 'gamma'],
  [{ tau: Infinity }, 'tau'],
  [{ epsilonThreshold: 0.2 }, 'epsilonThreshold'],
  [{ epsilonQuery: 0.1 }, 'epsilonQuery'],
  [{ epsilonThreshold: 0.05, epsilonQuery: 0.04 }, 'epsilonThreshold'],
  [{ others: 'drop' }, 'others'],
])('%j is refused', (args, path) => {
  expect(refusedAt('svt-privacy', args)).toEqual([path]);
});
