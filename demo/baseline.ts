import type { Examples } from '../cli/src/data/dataset.ts';
import { Bench } from './bench.ts';
import type { BenchData, Training } from './bench-worker.ts';
import { SIDE } from './digits.ts';
import type { Verdict } from './judge.ts';

/** What the federation is compared with, all on the same held-out images. */
export interface Baselines {
  /** Site -> what it gets from its own data alone. */
  readonly alone: ReadonlyMap<string, Verdict>;
  /** All data in one place. */
  readonly centralized: Verdict;
}

/** Trainings at the same time: the machine's two cores. */
const THREADS = 2;
const CENTRALIZED = 'centralized';

const pool = (shards: Iterable<Examples>): Examples => {
  const all = [...shards];
  const data = new Uint8Array(Buffer.concat(all.map(({ x }) => x.data as Uint8Array)));
  const y = Int32Array.from(all.flatMap(({ y: labels }) => [...labels]));
  return { x: { data, shape: [y.length, 1, SIDE, SIDE] }, y };
};

/**
 * Trains each site alone, and one model on all data: from the same start, with the same settings, and each with as many
 * optimizer steps as the federation took. Rejects with the signal's reason.
 */
export const trainBaselines = async (
  data: BenchData,
  shards: ReadonlyMap<string, Examples>,
  settings: Omit<Training, 'name' | 'examples'>,
  onStep: (name: string, step: number, steps: number) => void,
  onVerdict: (name: string, verdict: Verdict) => void,
  signal: AbortSignal,
): Promise<Baselines> => {
  const queue = [[CENTRALIZED, pool(shards.values())] as const, ...shards].values();
  const verdicts = new Map<string, Verdict>();
  const benches = Array.from({ length: THREADS }, () => new Bench(data));
  const work = async (bench: Bench): Promise<void> => {
    for (const [name, examples] of queue) {
      const training = { ...settings, name, examples };
      const verdict = await bench.train(training, (step, steps) => onStep(name, step, steps));
      verdicts.set(name, verdict);
      onVerdict(name, verdict);
    }
  };
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  try {
    signal.throwIfAborted();
    await Promise.race([Promise.all(benches.map(work)), aborted]);
  } finally {
    await Promise.all(benches.map((bench) => bench.close()));
  }
  const verdictOf = (name: string): Verdict => {
    const verdict = verdicts.get(name);
    if (!verdict) throw new Error(`${name} was not trained`);
    return verdict;
  };
  return {
    alone: new Map([...shards.keys()].map((name) => [name, verdictOf(name)])),
    centralized: verdictOf(CENTRALIZED),
  };
};
