import { laplace } from '../privacy/noise.ts';
import type { SparseVector } from '../privacy/sparse-vector.ts';
import { toFloat64 } from '../tensors/elements.ts';
import { sizeOf } from '../tensors/tensor.ts';
import { Bits } from './bits.ts';
import type { FilterChunk, Rng, Subject } from './filter.ts';
import { isLearned, stepsOf } from './learned.ts';

/** What decides which elements are released. */
interface SelectionArgs {
  readonly fraction: number;
  readonly gamma: number;
  readonly tau: number;
  readonly replace: boolean;
  readonly noiseOf: (uploads: number) => SparseVector;
}

/** Which elements are released, as far as it is known: two bits an element. */
export interface Selection {
  /** Place of each learned tensor's first element among all. */
  readonly bases: ReadonlyMap<string, number>;
  readonly steps: number;
  readonly gamma: number;
  readonly replace: boolean;
  readonly noise: SparseVector;
  readonly threshold: number;
  /** Elements that were above the threshold in some pass. */
  readonly above: Bits;
  accepted: number;
  passes: number;
  finite: boolean;
  selected: Bits;
}

export const startSelection = (
  subject: Subject,
  rng: Rng,
  { fraction, gamma, tau, replace, noiseOf }: SelectionArgs,
): Selection => {
  const bases = new Map<string, number>();
  let size = 0;
  for (const spec of subject.specs) {
    if (!isLearned(spec)) continue;
    bases.set(spec.name, size);
    size += sizeOf(spec.shape);
  }
  const noise = noiseOf(Math.min(Math.ceil(size * fraction), size));
  return {
    bases,
    gamma,
    replace,
    noise,
    steps: stepsOf(subject.meta),
    threshold: size === 0 ? 0 : tau + laplace(rng, noise.thresholdScale),
    above: new Bits(size),
    accepted: 0,
    passes: 0,
    finite: true,
    selected: new Bits(0),
  };
};

/** Asks each element that was not yet above the threshold again. */
export const visitSelection = (plan: Selection, chunk: FilterChunk, rng: Rng): Selection => {
  const base = plan.bases.get(chunk.name);
  if (base === undefined) return plan;
  const { above, gamma, noise, steps, threshold } = plan;
  const values = toFloat64(chunk.dtype, chunk.data);
  for (let i = 0; i < values.length; i++) {
    const at = base + chunk.offset + i;
    if (above.has(at)) continue;
    const size = Math.abs(values[i] as number) / steps;
    if (!(size < Infinity)) plan.finite = false;
    if (Math.min(size, gamma) + laplace(rng, noise.queryScale) < threshold) continue;
    above.add(at);
    plan.accepted += 1;
  }
  return plan;
};

/** Ends a pass; the last selects. -> whether another is needed */
export const endPass = (plan: Selection, rng: Rng): boolean => {
  plan.passes += 1;
  if (plan.accepted < plan.noise.uploads) return true;
  plan.selected = plan.replace ? withReplacement(plan, rng) : withoutReplacement(plan, rng);
  return false;
};

/** As many draws as uploads among those above, by their rank; an element drawn twice is released once. */
const withReplacement = ({ above, accepted, noise }: Selection, rng: Rng): Bits => {
  const ranks = new Uint32Array(noise.uploads);
  for (let i = 0; i < ranks.length; i++) ranks[i] = Math.floor(rng() * accepted);
  ranks.sort();
  const selected = new Bits(above.size);
  let rank = 0;
  let next = 0;
  for (let at = 0; at < above.size && next < ranks.length; at++) {
    if (!above.has(at)) continue;
    if (ranks[next] === rank) selected.add(at);
    while (ranks[next] === rank) next++;
    rank++;
  }
  return selected;
};

/** Exactly as many of those above as uploads. Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm S. */
const withoutReplacement = ({ above, accepted, noise }: Selection, rng: Rng): Bits => {
  const selected = new Bits(above.size);
  let left = accepted;
  let wanted = noise.uploads;
  for (let at = 0; at < above.size && wanted > 0; at++) {
    if (!above.has(at)) continue;
    if (rng() * left < wanted) {
      selected.add(at);
      wanted--;
    }
    left--;
  }
  return selected;
};
