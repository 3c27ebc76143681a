import type { SiteEvent } from '../../../client-kit/src/index.ts';
import type { Chosen } from './memory.ts';
import type { Order, Report } from './site-message.ts';

/** What the site is to do: take work, finish what is at hand and rest, or rest at once. */
export type Wish = 'work' | 'finish' | 'rest';

export interface SessionOptions {
  readonly name: string | undefined;
  readonly enrolment: string | undefined;
  readonly data: Chosen;
  readonly onEvent: (event: SiteEvent) => void;
  /** The site went to rest, or is about to work. */
  readonly onResting: (resting: boolean) => void;
  /** It can't go on. */
  readonly onFailed: (message: string, status: number | undefined) => void;
}

/** A worker that hasn't stopped by then is ended: its results are kept or done again. */
const PATIENCE_MS = 3000;

/** The site in a worker of its own, which is there only while there is something to do. */
export class Session {
  readonly #options: SessionOptions;
  #worker: Worker | undefined;
  #wish: Wish = 'rest';
  #timer: number | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  wish(wish: Wish): void {
    this.#wish = wish;
    if (wish === 'work' && !this.#worker) return this.#start();
    if (wish === 'work') this.#order({ type: 'go-on' });
    if (wish === 'finish') this.#order({ type: 'finish' });
    if (wish === 'rest') {
      this.#order({ type: 'stop' });
      this.#timer ??= setTimeout(() => this.#stopped(), PATIENCE_MS);
    }
  }

  /** Ends the site for good. */
  end(): void {
    this.#wish = 'rest';
    this.#drop();
  }

  #start(): void {
    const { name, enrolment, data, onResting } = this.#options;
    const worker = new Worker(new URL('./site-worker.ts', import.meta.url), { type: 'module' });
    this.#worker = worker;
    worker.addEventListener('message', ({ data: report }: MessageEvent<Report>) => {
      if (worker === this.#worker) this.#hear(report);
    });
    worker.addEventListener('error', ({ message }) => {
      if (worker === this.#worker)
        this.#fail(message || 'the training code does not load', undefined);
    });
    this.#order({ type: 'start', server: location.origin, name, enrolment, data });
    onResting(false);
  }

  #order(order: Order): void {
    this.#worker?.postMessage(order);
  }

  #hear(report: Report): void {
    if (report.type === 'event') return this.#options.onEvent(report.event);
    if (report.type === 'failed') return this.#fail(report.message, report.status);
    this.#stopped();
  }

  #fail(message: string, status: number | undefined): void {
    this.end();
    this.#options.onFailed(message, status);
  }

  #stopped(): void {
    this.#drop();
    if (this.#wish === 'work') this.#start();
    else this.#options.onResting(true);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}
