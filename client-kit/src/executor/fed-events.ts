import type { FedEvent } from '../../../core/protocol/fed-event.ts';
import { FLContextKey } from '../../../core/protocol/fl-context.ts';
import type { FLContext } from '../../../core/protocol/fl-context.ts';
import { Shareable } from '../../../core/protocol/shareable.ts';
import { ProblemError } from '../problem-error.ts';
import type { RunJob } from '../run.ts';

/** FLARE's FedEventHeader. */
export const FedEventHeader = {
  TIMESTAMP: '_timestamp',
  EVENT_ID: '_event_id',
  EVENT_TYPE: '_event_type',
  DIRECTION: '_direction',
  ORIGIN: '_origin',
  TARGETS: '_targets',
} as const;

const OWN: ReadonlySet<string> = new Set(Object.values(FedEventHeader));

/** Of these so many at most wait for a server that can't be reached; the oldest go first. */
const WAITING = 1000;

/**
 * Carries federated events to the server: FLARE's FedEventRunner. In the order fired, in batches, while the tasks go on;
 * an event isn't worth a task, so a server that can't be reached or takes none loses them.
 */
export class FedEvents {
  readonly #job: RunJob;
  #waiting: FedEvent[] = [];
  #seq = 0;
  #sending: Promise<void> | undefined;

  constructor(job: RunJob) {
    this.#job = job;
  }

  /** An event of this scope and direction goes out; others are here already. */
  post(type: string, context: FLContext): void {
    if (context.getProp(FLContextKey.EVENT_SCOPE) !== 'federation') return;
    const data = context.getProp(FLContextKey.EVENT_DATA);
    if (!(data instanceof Shareable)) return;
    if (data.getHeader(FedEventHeader.DIRECTION, 'out') !== 'out') return;
    const time = Date.now();
    data.setHeader(FedEventHeader.EVENT_TYPE, type);
    data.setHeader(FedEventHeader.ORIGIN, context.getIdentityName());
    data.setHeader(FedEventHeader.TIMESTAMP, time);
    const headers = Object.fromEntries([...data.headers].filter(([key]) => !OWN.has(key)));
    this.#waiting.push({ seq: this.#seq++, type, time, headers, data: Object.fromEntries(data) });
    if (this.#waiting.length > WAITING) this.#waiting.shift();
    this.#sending ??= Promise.resolve()
      .then(() => this.#send())
      .finally(() => (this.#sending = undefined));
  }

  /** Once what waits is sent or given up. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const events = this.#waiting.splice(0, 100);
      try {
        await this.#job.sendEvents(events);
      } catch (error) {
        const why = error instanceof ProblemError ? error.message : 'the server can not be reached';
        this.#job.say('warning', 'FedEvents', `${events.length} federated events lost: ${why}`);
      }
    }
  }
}

/** An event of the server's or another site's, as a component here finds it in EVENT_DATA. */
export const incoming = ({ type, data, headers, time, origin }: FedEvent): Shareable => {
  const shareable = new Shareable(Object.entries(data));
  for (const [key, value] of Object.entries(headers)) shareable.setHeader(key, value);
  shareable.setHeader(FedEventHeader.EVENT_TYPE, type);
  shareable.setHeader(FedEventHeader.DIRECTION, 'in');
  shareable.setHeader(FedEventHeader.TIMESTAMP, time);
  shareable.setHeader(FedEventHeader.ORIGIN, origin ?? 'server');
  return shareable;
};
