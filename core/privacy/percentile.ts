const [single, double] = [new Float32Array(1), new Float64Array(1)];
const [singleBits, doubleBits] = [new Uint32Array(single.buffer), new Uint32Array(double.buffer)];

const BINS = 2 ** 16;

/** One element of the sorted whole that is looked for: its leading digits, and its place among those that share them. */
interface Target {
  readonly digits: number[];
  rank: number;
  counts: Float64Array;
}

/**
 * Finds a percentile of numbers >= 0 in passes over them, without keeping them: the bits of such a float, read as an
 * integer, are in its order, so each pass counts one digit of 16 bits and so narrows down the element's. Two passes where
 * the numbers are float32, else four; 1 MiB of counts. The numbers are the same in each pass, in any order.
 */
export interface PercentileSearch {
  readonly percent: number;
  readonly wide: boolean;
  readonly targets: Target[];
  /** Numbers seen in the first pass. */
  count: number;
  /** Of the way from the first target to the second. */
  between: number;
}

export const startPercentile = (percent: number, wide: boolean): PercentileSearch => ({
  percent,
  wide,
  targets: [{ digits: [], rank: 0, counts: new Float64Array(BINS) }],
  count: 0,
  between: 0,
});

/** Counts one number in the current pass. */
export const countNumber = ({ targets, wide }: PercentileSearch, x: number): void => {
  if (wide) double[0] = x;
  else single[0] = x;
  target: for (const { digits, counts } of targets) {
    for (let i = 0; i < digits.length; i++) if (digits[i] !== digitOf(wide, i)) continue target;
    const digit = digitOf(wide, digits.length);
    counts[digit] = (counts[digit] as number) + 1;
  }
};

/** The i-th digit, from the top, of the number just loaded. */
const digitOf = (wide: boolean, i: number): number => {
  const word = wide ? (doubleBits[1 - (i >> 1)] as number) : (singleBits[0] as number);
  return i % 2 === 0 ? word >>> 16 : word & 0xffff;
};

/** Ends a pass. -> whether another is needed */
export const nextPass = (search: PercentileSearch): boolean => {
  const { targets, wide } = search;
  const [first] = targets as [Target];
  if (first.digits.length === 0) {
    search.count = first.counts.reduce((sum, n) => sum + n, 0);
    if (search.count === 0) return false;
    const at = (search.count - 1) * (search.percent / 100);
    first.rank = Math.floor(at);
    search.between = at - first.rank;
    const rank = Math.min(first.rank + 1, search.count - 1);
    targets.push({ digits: [], rank, counts: first.counts });
  }
  for (const target of targets) {
    let digit = 0;
    while (target.rank >= (target.counts[digit] as number)) {
      target.rank -= target.counts[digit++] as number;
    }
    target.digits.push(digit);
    target.counts = new Float64Array(BINS);
  }
  return first.digits.length < (wide ? 4 : 2);
};

/**
 * The percentile after the last pass, between two elements by linear interpolation, as numpy.percentile's default; 0 of
 * no numbers.
 */
export const percentileOf = ({ targets, wide, between }: PercentileSearch): number => {
  const [low = 0, high = 0] = targets.map(({ digits }) => {
    const [a = 0, b = 0, c = 0, d = 0] = digits;
    if (wide) doubleBits.set([(c << 16) | d, (a << 16) | b]);
    else singleBits[0] = (a << 16) | b;
    return (wide ? double[0] : single[0]) as number;
  });
  const step = high - low;
  return between < 0.5 ? low + step * between : high - step * (1 - between);
};
