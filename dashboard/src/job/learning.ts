import type { JobEvent } from './server.ts';

/** x: rounds of training that the model has behind it. */
export type Points = readonly (readonly [x: number, y: number])[];

export interface Series {
  readonly name: string;
  readonly points: Points;
  /** A site's own, beside the common model's. */
  readonly faint: boolean;
}

/** Everything measured of one kind, like `loss`. */
export interface Curve {
  readonly metric: string;
  readonly series: readonly Series[];
}

interface Sum {
  readonly sum: number;
  readonly count: number;
}

/** A site's own measurements after its training (executor `onnx`). */
const LOCAL = /^local_(.+)$/;

/** The learning curve of a job, put together from its events. */
export class Learning {
  /** Metric -> series -> x -> value. */
  readonly #values = new Map<string, Map<string, Map<number, number>>>();
  readonly #faint = new Set<string>();
  /** Workflows that train. */
  readonly #trains = new Set<string>();

  hear({ kind, fields }: JobEvent): void {
    if (kind === 'task') this.#task(fields);
    if (kind === 'metric') this.#logged(fields);
  }

  /** The curves with at least one point, by name of the metric; the common model's first. */
  curves(): Curve[] {
    return [...this.#values]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([metric, series]) => ({
        metric,
        series: [...series]
          .map(([name, values]) => ({
            name,
            points: [...values].sort(([a], [b]) => a - b),
            faint: this.#faint.has(name),
          }))
          .sort((a, b) => Number(a.faint) - Number(b.faint)),
      }));
  }

  /**
   * A task that closed measured the model that was sent: a training the one of so many rounds, the validation that ends a
   * workflow which trains the one of all of them. Any other validation is no point of the curve.
   */
  #task(fields: JobEvent['fields']): void {
    const { state, name, round, metrics, data } = fields;
    if (state !== 'closed' || typeof round !== 'number') return;
    const workflow = String(fields['workflow']);
    if (name === 'train') this.#trains.add(workflow);
    const { owner = 'global' } = (data ?? {}) as { readonly owner?: unknown };
    const closing = name === 'validate' && owner === 'global' && this.#trains.has(workflow);
    if (name !== 'train' && !closing) return;
    const measured = Object.entries((metrics ?? {}) as Readonly<Record<string, Sum>>);
    for (const [metric, { sum, count }] of measured) {
      const x = closing ? round + 1 : round;
      if (count > 0) this.#set(metric, `common model (${workflow})`, x, sum / count);
    }
  }

  #logged({ site, key, value, step }: JobEvent['fields']): void {
    const [, metric] = LOCAL.exec(String(key)) ?? [];
    if (metric === undefined || typeof value !== 'number' || typeof step !== 'number') return;
    const name = `${String(site)}, after training there`;
    this.#faint.add(name);
    this.#set(metric, name, step + 1, value);
  }

  #set(metric: string, series: string, x: number, y: number): void {
    const ofMetric = this.#values.get(metric) ?? new Map<string, Map<number, number>>();
    this.#values.set(metric, ofMetric);
    const values = ofMetric.get(series) ?? new Map<number, number>();
    ofMetric.set(series, values);
    values.set(x, y);
  }
}
