import { dirichlet, randomOf, shuffled } from './random.ts';

/** Which examples each site holds, and how many of each class. */
export interface Split {
  /** Site -> indices of its examples, in random order. */
  readonly shards: readonly (readonly number[])[];
  /** Site x class. */
  readonly counts: readonly (readonly number[])[];
}

export interface SplitOptions {
  readonly labels: Int32Array;
  readonly classes: number;
  readonly sites: number;
  /** Examples in all. */
  readonly examples: number;
  /** Dirichlet concentration: 0.3 leaves a site with two or three classes of weight, 100 is even. */
  readonly alpha: number;
  readonly seed: number;
}

/** Fewest examples of a site: fewer make no batch and no validation split. */
const MIN_EXAMPLES = 100;
const DRAWS = 1000;

/** Whole numbers in the proportions of `shares` that add up to `total` (largest remainders). */
const apportion = (shares: readonly number[], total: number): number[] => {
  const exact = shares.map((share) => share * total);
  const whole = exact.map(Math.floor);
  const rest = total - whole.reduce((sum, n) => sum + n, 0);
  const byRemainder = exact
    .map((value, i) => ({ i, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of byRemainder.slice(0, rest)) whole[i] = (whole[i] ?? 0) + 1;
  return whole;
};

/**
 * Deals examples to sites: each class by its own Dirichlet(alpha) shares over the sites (Hsu, Qi and Brown, 2019), drawn
 * again until every site has at least 100. Throws RangeError where that can't be had.
 */
export const splitBySites = (options: SplitOptions): Split => {
  const { labels, classes, sites, examples, alpha, seed } = options;
  if (sites * MIN_EXAMPLES > examples)
    throw new RangeError(`${examples} examples are too few for ${sites} sites`);
  const chosen = shuffled(labels.length, randomOf(seed, 'examples')).slice(0, examples);
  const byClass = Array.from({ length: classes }, (_, c) => chosen.filter((i) => labels[i] === c));
  const random = randomOf(seed, 'shares');
  for (let draw = 0; draw < DRAWS; draw++) {
    const perClass = byClass.map((members) =>
      apportion(dirichlet(sites, alpha, random), members.length),
    );
    const counts = Array.from({ length: sites }, (_, s) =>
      perClass.map((shares) => shares[s] ?? 0),
    );
    if (counts.some((row) => row.reduce((sum, n) => sum + n, 0) < MIN_EXAMPLES)) continue;
    const starts = Array.from(byClass, () => 0);
    const shards = counts.map((row, s) => {
      const held = row.flatMap((n, c) => {
        const start = starts[c] ?? 0;
        starts[c] = start + n;
        return byClass[c]?.slice(start, start + n) ?? [];
      });
      return shuffled(held.length, randomOf(seed, `order ${s}`)).map((i) => held[i] as number);
    });
    return { shards, counts };
  }
  throw new RangeError(
    `no split of ${examples} examples over ${sites} sites with alpha ${alpha} in ${DRAWS} draws`,
  );
};
