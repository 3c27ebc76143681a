import type { Examples } from '../cli/src/data/dataset.ts';
import { Bench } from './bench.ts';
import type { BenchData, Training } from './bench-worker.ts';
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
export const CENTRALIZED = 'centralized';

/** Trains each site alone, and one model on all data; each with the same steps and settings as the federation. */
export const trainBaselines = async (
  data: BenchData,
  shards: ReadonlyMap<string, Examples>,
  pooled: Examples,
  settings: Omit<Training, 'name' | 'examples'>,
  onStep: (name: string, step: number, steps: number) => void,
): Promise<Baselines> => {
  const queue: Training[] = [...shards, [CENTRALIZED, pooled] as const].map(([name, examples]) => ({
    ...settings,
    name,
    examples,
  }));
  const verdicts = new Map<string, Verdict>();
  const work = async (): Promise<void> => {
    const bench = new Bench(data);
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { name } = next;
        verdicts.set(name, await bench.train(next, (step, steps) => onStep(name, step, steps)));
      }
    } finally {
      await bench.close();
    }
  };
  await Promise.all(Array.from({ length: THREADS }, work));
  const centralized = verdicts.get(CENTRALIZED);
  if (!centralized) throw new Error('the centralized model was not trained');
  verdicts.delete(CENTRALIZED);
  return { alone: new Map([...shards.keys()].flatMap((name) => {
    const verdict = verdicts.get(name);
    return verdict ? [[name, verdict] as const] : [];
  })), centralized };
};
