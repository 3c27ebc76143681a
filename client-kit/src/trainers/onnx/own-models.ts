import { decode, encodeParts } from '../../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import type { Store } from '../../store.ts';
import type { MetricCounter } from './metrics.ts';

const LAST = 'own/last';
const BEST = 'own/best';
const SCORE = 'score';
const WORKFLOW = 'workflow';

/** Higher is better: accuracy where the program counts it, else the loss, negated. */
const scoreOf = (metrics: MetricCounter): number =>
  metrics.mean('accuracy') ?? -(metrics.mean('loss') ?? Infinity);

/** A site's own models of one job, from before aggregation: what `submit_model` hands in. They outlive restarts. */
export class OwnModels {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The last one or the best by the site's validation split; undefined where it hasn't trained. */
  async get(which: 'last' | 'best'): Promise<Tensors | undefined> {
    return (await this.#read(which === 'best' ? BEST : LAST))?.tensors;
  }

  /**
   * Keeps a model just trained. `metrics`: of its evaluation; without one the newest counts as the best. Each workflow
   * has a best of its own: one that began elsewhere, or learns otherwise, doesn't compete with the job's earlier ones.
   */
  async keep(workflow: string, model: Tensors, metrics: MetricCounter | undefined): Promise<void> {
    await this.#write(LAST, model);
    const score = metrics ? scoreOf(metrics) : Infinity;
    const old = (await this.#read(BEST))?.metadata;
    const best = old?.get(WORKFLOW) === workflow ? Number(old.get(SCORE)) : -Infinity;
    // A task that is repeated after a kill finds its own score here: equal, and nothing changes.
    if (score <= best && metrics) return;
    const about = [
      [SCORE, String(score)],
      [WORKFLOW, workflow],
    ] as const;
    await this.#write(BEST, model, new Map(about));
  }

  async #read(key: string) {
    const blob = await this.#store.read(key);
    const decoded = blob && decode(new Uint8Array(await blob.arrayBuffer()));
    return decoded?.ok ? decoded.value : undefined;
  }

  #write(key: string, model: Tensors, metadata?: ReadonlyMap<string, string>): Promise<void> {
    return this.#store.write(key, encodeParts(model, metadata) as Uint8Array<ArrayBuffer>[]);
  }
}
