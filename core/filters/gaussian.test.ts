import { expect, test } from 'vitest';
import { scaledErfc } from '../privacy/erfc.ts';
import { vectors } from '../privacy/vectors.suite.ts';
import { toFloat64 } from '../tensors/elements.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { attempt, filtered, made, refusedAt, tensor } from './filtering.suite.ts';

const phi = (x: number): number => {
  const tail = (Math.exp((-x * x) / 2) * scaledErfc(Math.abs(x) / Math.SQRT2)) / 2;
  return x < 0 ? tail : 1 - tail;
};
const SIZE = 20_000;
/** An update of length 1, pointing everywhere. */
const update = (length: number): Tensors =>
  new Map([
    ['w', tensor('F64', ...Array.from({ length: SIZE / 2 }, () => length / Math.sqrt(SIZE)))],
    ['b', tensor('F64', ...Array.from({ length: SIZE / 2 }, () => -length / Math.sqrt(SIZE)))],
  ]);
/** The noise that an update of this length got, if it was first cut to `clip`. */
const noiseOf = (
  args: { readonly clip: number; readonly sigma: number },
  length: number,
  seed: number,
): number[] => {
  const given = update(length);
  const { tensors } = filtered([made('gaussian', args)], given, { seed, piece: 999 });
  const scale = Math.min(1, args.clip / length);
  return [...tensors].flatMap(([name, { dtype, data }]) => {
    const before = toFloat64(dtype, given.get(name)?.data ?? new Float64Array(0));
    return [...toFloat64(dtype, data)].map((x, i) => x - scale * (before[i] as number));
  });
};

test.each([1e-3, 0.5, 3, 1e4])(
  'noise of deviation %d is normal around the clipped update',
  (sigma) => {
    for (const [seed, length] of [0.5, 2, 40].entries()) {
      const noise = noiseOf({ clip: 2, sigma }, length, seed);
      const mean = noise.reduce((a, b) => a + b) / SIZE;
      const variance = noise.reduce((a, b) => a + b * b, 0) / SIZE;
      const fourth = noise.reduce((a, b) => a + b ** 4, 0) / SIZE;
      // each within four standard errors of a normal sample's
      expect(Math.abs(mean)).toBeLessThan((4 * sigma) / Math.sqrt(SIZE));
      expect(Math.abs(variance / sigma ** 2 - 1)).toBeLessThan(4 * Math.sqrt(2 / SIZE));
      expect(Math.abs(fourth / sigma ** 4 - 3)).toBeLessThan(4 * Math.sqrt(96 / SIZE));
      // Kolmogorov and Smirnov: above 1.95 with a probability of 0.001
      const gaps = noise
        .toSorted((a, b) => a - b)
        .map((x, i) => Math.max(phi(x / sigma) - i / SIZE, (i + 1) / SIZE - phi(x / sigma)));
      expect(Math.max(...gaps) * Math.sqrt(SIZE)).toBeLessThan(1.95);
    }
  },
);

test('neighbours, and the same element of two tensors, get noise of their own', () => {
  const noise = noiseOf({ clip: 1, sigma: 1 }, 1, 7);
  const correlation = (lag: number): number =>
    noise.reduce((sum, x, i) => sum + x * (noise[(i + lag) % SIZE] as number), 0) / SIZE;
  for (const lag of [1, 2, 3, SIZE / 2])
    expect(Math.abs(correlation(lag))).toBeLessThan(4 / Math.sqrt(SIZE));
});

const sigmaSaid = (args: object): unknown => {
  const { meta } = filtered([made('gaussian', args)], new Map([['w', tensor('F32', 1)]]));
  return (meta['gaussian_privacy_budget'] as { sigma: number }).sigma;
};

test('sigma follows from epsilon, delta and how far two clipped updates are apart', () => {
  const { epsilon, delta, sigma } =
    vectors<{ epsilon: number; delta: number; sigma: number }[]>('sigma').find(
      (one) => one.epsilon === 2 && one.delta === 1e-5,
    ) ?? expect.fail();
  expect(sigmaSaid({ clip: 0.5, epsilon, delta })).toBeCloseTo(sigma, 6);
  expect(sigmaSaid({ clip: 0.5, epsilon, delta, adjacency: 'add-remove' })).toBeCloseTo(
    sigma / 2,
    6,
  );
  expect(sigmaSaid({ clip: 3, sigma: 0.25 })).toBe(0.25);
});

test('what was spent is told', () => {
  const { meta } = filtered(
    [made('gaussian', { clip: 1, epsilon: 1, delta: 1e-5 })],
    new Map([['w', tensor('F32', 1)]]),
  );
  expect(meta).toEqual({
    gaussian_privacy_budget: {
      epsilon: 1,
      delta: 1e-5,
      adjacency: 'replace',
      clip: 1,
      sigma: expect.closeTo(2 * 3.7306, 3) as number, // Balle and Wang's sigma at (1, 1e-5)
    },
    filter_history: ['gaussian'],
  });
});

test('buffers and integers would go out as they are: only if allowed', () => {
  const tensors: Tensors = new Map([
    ['w', tensor('F32', 1)],
    ['bn.mean', tensor('F32', 3)],
    ['seen', tensor('I64', 3)],
  ]);
  const roles = new Map<string, TensorRole>([['bn.mean', 'buffer']]);
  const args = { clip: 1, sigma: 1 };
  expect(attempt([made('gaussian', args)], tensors, { roles })).toMatchObject({
    error: { reason: 'unprotected', filter: 'gaussian' },
  });
  const { tensors: out } = filtered([made('gaussian', { ...args, others: 'send' })], tensors, {
    roles,
  });
  expect(out.get('bn.mean')).toEqual(tensors.get('bn.mean'));
  expect(out.get('seen')).toEqual(tensors.get('seen'));
  expect(out.get('w')).not.toEqual(tensors.get('w'));
  const dropping = [
    made('exclude-vars', { excludeVars: ['bn.*', 'seen'] }),
    made('gaussian', args),
  ];
  expect([...filtered(dropping, tensors, { roles }).tensors.keys()]).toEqual(['w']);
});

test('an update of zeros gets noise alone; NaN, infinity and whole parameters are declined', () => {
  const filter = made('gaussian', { clip: 1, sigma: 1 });
  const { tensors: out } = filtered([filter], new Map([['w', tensor('F32', 0, 0)]]));
  for (const x of out.get('w')?.data ?? [NaN]) expect(Math.abs(Number(x))).toBeLessThan(9);
  for (const x of [NaN, Infinity]) {
    expect(attempt([filter], new Map([['w', tensor('F32', x)]]))).toMatchObject({
      error: { reason: 'non-finite' },
    });
  }
  expect(
    attempt([filter], new Map([['w', tensor('F32', 1)]]), { parcel: { kind: 'WEIGHTS' } }),
  ).toMatchObject({ error: { reason: 'needs-diff' } });
});

test.each([
  [{ epsilon: 1, delta: 1e-5 }, ['clip']],
  [{ clip: 0, sigma: 1 }, ['clip']],
  [{ clip: 1 }, ['epsilon']],
  [{ clip: 1, epsilon: 1 }, ['delta']],
  [{ clip: 1, sigma: 1, delta: 1e-5 }, ['delta']],
  [{ clip: 1, sigma: 1, epsilon: 1, delta: 1e-5 }, ['epsilon']],
  [{ clip: 1, epsilon: 1, delta: 1 }, ['delta']],
  [{ clip: 1, epsilon: -1, delta: 0.1 }, ['epsilon']],
  [{ clip: 1, sigma: 1, adjacency: 'both' }, ['adjacency']],
  [{ clip: 1, sigma: 1, noise: 1 }, ['noise']],
])('%j is refused', (args, paths) => {
  expect(refusedAt('gaussian', args)).toEqual(paths);
});
