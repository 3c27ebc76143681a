import type { Manifest } from '../../../../core/tensors/manifest.ts';
import type { Feeds } from './program.ts';

/** Sums over examples, divided once, by whoever sums last. */
export type MetricSums = Record<string, { sum: number; count: number }>;

/** Adds up what a program says of each batch. */
export class MetricCounter {
  readonly #specs: Manifest['metrics'];
  readonly #sums: MetricSums = {};
  examples = 0;

  constructor({ metrics }: Manifest) {
    // How many examples there were is known here.
    this.#specs = metrics.filter(({ name }) => name !== 'examples');
  }

  /** Adds a batch, and gives its mean loss. */
  add(outputs: Feeds, examples: number): number {
    this.examples += examples;
    let loss = 0;
    for (const { name, output, kind } of this.#specs) {
      const value = Number((outputs[output]?.data as ArrayLike<number | bigint> | undefined)?.[0]);
      const entry = (this.#sums[name] ??= { sum: 0, count: 0 });
      const sum = kind === 'mean' ? value * examples : value;
      entry.sum += sum;
      entry.count += examples;
      if (name === 'loss') loss = sum / examples;
    }
    return loss;
  }

  get sums(): MetricSums {
    return this.#sums;
  }

  mean(name: string): number | undefined {
    const entry = this.#sums[name];
    return entry && entry.count > 0 ? entry.sum / entry.count : undefined;
  }
}
