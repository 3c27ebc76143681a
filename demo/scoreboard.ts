import type { SiteEvent, TaskInfo } from '../client-kit/src/event.ts';
import { bytesText } from '../cli/src/output.ts';
import { bar } from './progress.ts';
import type { Progress } from './progress.ts';
import type { SiteMessage } from './site-message.ts';

/** What a site said of one round: the model it was sent, on its own validation images, and its training after that. */
export interface SiteRound {
  accuracy: number;
  loss: number;
  examples: number;
  steps: number;
}

type Evaluated = Extract<SiteEvent, { type: 'evaluated' }>;

const meanOf = (metrics: Evaluated['metrics'], name: string): number => {
  const { sum = 0, count = 0 } = metrics[name] ?? {};
  return count > 0 ? sum / count : 0;
};

const taskText = ({ name, round, totalRounds, owner }: TaskInfo): string =>
  name === 'train'
    ? `round ${round + 1}/${totalRounds}`
    : `${name.replace('_', ' ')}${owner ? ` of ${owner}` : ''}`;

/** Follows the sites: a row each while they work, and what they measured. */
export class Scoreboard {
  readonly #progress: Progress;
  readonly #width: number;
  /** Site -> what it measured last. */
  readonly #said = new Map<string, string>();
  /** Round (from 0) -> site -> what it said. */
  readonly rounds = new Map<number, Map<string, SiteRound>>();
  readonly bytes = { up: 0, down: 0 };

  constructor(progress: Progress, sites: readonly string[]) {
    this.#progress = progress;
    this.#width = Math.max(...sites.map((site) => site.length));
    for (const site of sites) this.#row(site, 'starting');
  }

  /** Optimizer steps of all sites in all rounds; a step repeated after a crash counts once. */
  get steps(): number {
    let steps = 0;
    for (const sites of this.rounds.values())
      for (const site of sites.values()) steps += site.steps;
    return steps;
  }

  hear(site: string, message: SiteMessage): void {
    if (message.type === 'bytes') {
      this.bytes.up += message.up;
      this.bytes.down += message.down;
    } else if (message.type === 'event') this.#event(site, message.event);
  }

  /** Says of a site that it is down. */
  down(site: string): void {
    this.#row(site, 'killed');
  }

  #event(site: string, event: SiteEvent): void {
    switch (event.type) {
      case 'joined':
        return this.#row(site, 'enrolled, waiting');
      case 'task':
        return this.#row(site, taskText(event.task));
      case 'evaluated':
        if (event.task.name !== 'train' || event.model !== 'received') return;
        this.#measured(site, event.task.round, event);
        return;
      case 'step': {
        const { task, step, steps, loss } = event;
        this.#round(task.round, site).steps = steps;
        const share = `${bar(step / steps)} ${step}/${steps}, loss ${loss.toFixed(3)}`;
        return this.#row(site, `${taskText(task)} ${share}`);
      }
      case 'submitted':
        if (event.task?.name === 'train') this.#report(site, event.task, event.bytes);
        return this.#row(site, 'waiting for the others');
      case 'failed':
        return this.#progress.line(`  ${site}: ${event.returnCode}: ${event.error.message}`);
      case 'retry':
        return this.#row(site, `no server (${event.cause.message}), trying again`);
      case 'storage-full':
        return this.#row(site, `its disk is full (${event.cause.message}), waiting for room`);
      case 'message':
        return this.#progress.line(`  ${site}: ${event.source}: ${event.text}`);
      case 'job':
      case 'job-ended':
      case 'received':
      case 'aborted':
    }
  }

  #measured(site: string, round: number, { metrics, examples }: Evaluated): void {
    const accuracy = meanOf(metrics, 'accuracy');
    Object.assign(this.#round(round, site), { accuracy, loss: meanOf(metrics, 'loss'), examples });
    this.#said.set(site, `| model received: ${accuracy.toFixed(3)} on its ${examples}`);
  }

  /** On a terminal the site's row says it. */
  #report(site: string, task: TaskInfo, bytes: number): void {
    if (this.#progress.live) return;
    const { accuracy, loss, examples, steps } = this.#round(task.round, site);
    this.#progress.line(
      `  ${site.padEnd(this.#width)}  round ${task.round + 1}: model received: accuracy ${accuracy.toFixed(3)}, ` +
        `loss ${loss.toFixed(3)} on its ${examples} validation images; trained ${steps} steps; ` +
        `sent ${bytesText(bytes)}`,
    );
  }

  #round(round: number, site: string): SiteRound {
    const sites = this.rounds.get(round) ?? new Map<string, SiteRound>();
    this.rounds.set(round, sites);
    const known = sites.get(site) ?? { accuracy: 0, loss: 0, examples: 0, steps: 0 };
    sites.set(site, known);
    return known;
  }

  #row(site: string, text: string): void {
    this.#progress.row(
      site,
      `  ${site.padEnd(this.#width)}  ${text} ${this.#said.get(site) ?? ''}`,
    );
  }
}
