import * as v from 'valibot';
import { LIMITS } from './limits.ts';
import { SiteName } from './names.ts';

/**
 * A federated event on its way (FLARE's fire_fed_event, FedEventHeader): fired at one party, and again, of the same type
 * and with `direction` "in", at the server or at the targets. `seq` is the sender's own counter: a repeated
 * (origin, seq) is dropped. FLARE promises no delivery, and neither is it here: what was under way when a process died
 * is lost.
 */
export const FedEvent = v.strictObject({
  seq: v.pipe(v.number(), v.integer(), v.minValue(0)),
  type: v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.metricKeyLength)),
  /** The Shareable: its JSON, and its headers but for FedEventHeader's. Tensors don't travel so. */
  data: v.record(v.string(), v.unknown()),
  headers: v.record(v.string(), v.unknown()),
  /** Milliseconds since 1970, by the sender's clock. */
  time: v.number(),
  /** Who fired it: a site, or `server`. The server fills it in by the caller's token, whatever is said. */
  origin: v.optional(v.string()),
  /** From the server only: the sites that hear of it, all if absent. */
  targets: v.optional(v.array(SiteName)),
});
export type FedEvent = v.InferOutput<typeof FedEvent>;

/** Body of POST /v1/jobs/:id/fed-events (role site). Its answer is 200 `{accepted}`. */
export interface FedEventBatch {
  readonly events: readonly FedEvent[];
}

/**
 * Answer of GET /v1/jobs/:id/fed-events?since=<last> (role site): those for this site, oldest first, each once. Asked after
 * each poll and with each lease, so that events need no connection of their own.
 */
export interface FedEvents extends FedEventBatch {
  /** The next `since`. */
  readonly last: number;
}
