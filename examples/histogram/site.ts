// A federated histogram: nothing is learnt. Each site counts its own ages; what leaves is ten numbers.
import { MemoryStore, runSite } from '@tributary/client-kit';
import { DXO, Executor, executor, makeReply } from '@tributary/client-kit/executor';
import type { Shareable } from '@tributary/client-kit/executor';

/** Stands for what you read from a database. */
const agesOf = (site: string): number[] =>
  Array.from({ length: 50 }, (_, i) => (site.length * 13 + i * i * 7) % 100);

class Histogram extends Executor {
  readonly #ages: readonly number[];

  constructor(ages: readonly number[]) {
    super();
    this.#ages = ages;
  }

  execute(taskName: string, shareable: Shareable): Shareable {
    const dxo = DXO.fromShareable(shareable);
    const bins = dxo.is('WEIGHTS') ? dxo.data.get('counts') : undefined;
    if (taskName !== 'train' || !bins) return makeReply('TASK_UNKNOWN');
    const counts = new Float32Array(bins.data.length);
    for (const age of this.#ages) counts[Math.floor((age * counts.length) / 100)]! += 1;
    return new DXO('WEIGHTS', new Map([['counts', { ...bins, data: counts }]])).toShareable();
  }
}

const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
await runSite({
  server: SERVER,
  name: NAME,
  enrolment: ENROLMENT,
  store: new MemoryStore(),
  app: executor(({ site }) => new Histogram(agesOf(site))),
  once: true,
});
