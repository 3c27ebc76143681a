import type { Manifest } from '../../../../core/tensors/manifest.ts';
import type { OrtTensor } from './ort.ts';
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

  /** Adds a run over so many examples, of one batch or (a loop's) several of equal size, and gives its mean loss. */
  add(outputs: Feeds, examples: number): number {
    this.examples += examples;
    let loss = NaN;
    for (const { name, output, kind, count } of this.#specs) {
      const values = numbersOf(outputs[output]);
      const each = kind === 'mean' ? examples / values.length : 1;
      const sum = total(values) * each;
      const over = count === undefined ? examples : total(numbersOf(outputs[count]));
      const entry = (this.#sums[name] ??= { sum: 0, count: 0 });
      entry.sum += sum;
      entry.count += over;
      if (name === 'loss') loss = sum / over;
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

const numbersOf = (tensor: OrtTensor | undefined): readonly number[] =>
  Array.from((tensor?.data ?? [NaN]) as ArrayLike<number | bigint>, Number);

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
