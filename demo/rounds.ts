import { decode } from '../core/tensors/safetensors.ts';
import type { Tensors } from '../core/tensors/tensor.ts';
import type { ServerApi } from '../cli/src/server-api.ts';
import type { ServerEvent } from '../cli/src/events.ts';
import type { Bench } from './bench.ts';
import type { SiteRound } from './scoreboard.ts';
import type { RoundResult } from './summary.ts';

/** The tensors of a model's file. Throws Error where it isn't one. */
export const tensorsOf = (file: Uint8Array): Tensors => {
  const decoded = decode(file);
  if (!decoded.ok) throw new Error(`the model: ${decoded.error.reason}`);
  return decoded.value.tensors;
};

interface TaskClosed {
  readonly name: string;
  readonly state: string;
  readonly round: number;
  readonly made: string | null;
}

/** Fetches the model that each round made, and judges it on the held-out images. */
export class Rounds {
  readonly results: RoundResult[] = [];
  readonly #api: ServerApi;
  readonly #job: string;
  readonly #bench: Bench;
  readonly #sites: (round: number) => ReadonlyMap<string, SiteRound>;
  readonly #onRound: (result: RoundResult) => void;
  readonly #seen = new Set<number>();
  #work: Promise<void> = Promise.resolve();

  constructor(
    api: ServerApi,
    job: string,
    bench: Bench,
    sites: (round: number) => ReadonlyMap<string, SiteRound>,
    onRound: (result: RoundResult) => void,
  ) {
    this.#api = api;
    this.#job = job;
    this.#bench = bench;
    this.#sites = sites;
    this.#onRound = onRound;
  }

  /** Takes an event of the job's stream; those of closed train tasks bring a new model. */
  hear({ event, data }: ServerEvent): void {
    if (event !== 'task') return;
    const { name, state, round, made } = JSON.parse(data) as TaskClosed;
    if (name !== 'train' || state !== 'closed' || made === null || this.#seen.has(round)) return;
    this.#seen.add(round);
    this.#work = this.#work.then(() => this.#judge(round, made));
    this.#work.catch(() => undefined);
  }

  /** Resolves when every round heard of has been judged. */
  async settled(): Promise<void> {
    await this.#work;
  }

  async #judge(round: number, digest: string): Promise<void> {
    const model = tensorsOf(await this.#api.model(this.#job, digest));
    const { accuracy, loss } = await this.#bench.judge(model);
    const sites = Object.fromEntries([...this.#sites(round)].sort(([a], [b]) => (a < b ? -1 : 1)));
    const result = { round: round + 1, accuracy, loss, digest, sites };
    this.results.push(result);
    this.#onRound(result);
  }
}
