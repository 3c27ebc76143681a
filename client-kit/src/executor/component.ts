import { EventType } from '../../../core/protocol/event-type.ts';
import { FLContextKey } from '../../../core/protocol/fl-context.ts';
import type { FLContext } from '../../../core/protocol/fl-context.ts';
import { DXO } from '../../../core/protocol/dxo.ts';
import type { Shareable } from '../../../core/protocol/shareable.ts';
import type { EventHandler, LogLevel } from '../run.ts';
import type { Engine } from './engine.ts';
import { FedEventHeader } from './fed-events.ts';

type Handler = (eventType: string, context: FLContext) => void | Promise<void>;

const LOG_EVENTS: Readonly<Record<LogLevel, EventType>> = {
  debug: EventType.DEBUG_LOG_AVAILABLE,
  info: EventType.INFO_LOG_AVAILABLE,
  warning: EventType.WARNING_LOG_AVAILABLE,
  error: EventType.ERROR_LOG_AVAILABLE,
  exception: EventType.EXCEPTION_LOG_AVAILABLE,
  critical: EventType.CRITICAL_LOG_AVAILABLE,
};
/** FLARE tells components of these unless asked not to. */
const TOLD: ReadonlySet<LogLevel> = new Set(['warning', 'error', 'critical']);

/**
 * Hears of events and fires them: FLARE's FLComponent (nvflare/apis/fl_component.py). Handlers may be asynchronous; they
 * run one after another: executors, then components in the order given.
 */
export class FLComponent implements EventHandler {
  readonly #handlers = new Map<string, Handler[]>();

  get name(): string {
    return this.constructor.name;
  }

  /** For events that no handler is registered for. */
  handleEvent(_eventType: string, _context: FLContext): void | Promise<void> {}

  /** This handler instead of `handleEvent`, for these events. */
  registerEventHandler(eventTypes: string | readonly string[], handler: Handler): void {
    for (const type of typeof eventTypes === 'string' ? [eventTypes] : eventTypes) {
      const registered = this.#handlers.get(type) ?? [];
      if (!registered.includes(handler)) this.#handlers.set(type, [...registered, handler]);
    }
  }

  getEventHandlers(): ReadonlyMap<string, readonly Handler[]> {
    return this.#handlers;
  }

  /** At all components of this site. Resolves when they have handled it. */
  async fireEvent(eventType: string, context: FLContext): Promise<void> {
    context.setProp(FLContextKey.EVENT_SCOPE, 'local', { sticky: false });
    await this.#fire(eventType, context);
  }

  /** The data is there for the event only. */
  async fireEventWithData(
    eventType: string,
    context: FLContext,
    key: string,
    data: unknown,
  ): Promise<void> {
    context.setProp(key, data, { sticky: false });
    try {
      await this.fireEvent(eventType, context);
    } finally {
      context.setProp(key, undefined, { sticky: false });
    }
  }

  /** Here, and then at the server: a site's events go there and no further. */
  async fireFedEvent(eventType: string, data: Shareable, context: FLContext): Promise<void> {
    data.setHeader(FedEventHeader.DIRECTION, 'out');
    context.setProp(FLContextKey.EVENT_DATA, data, { sticky: false });
    context.setProp(FLContextKey.EVENT_SCOPE, 'federation', { sticky: false });
    await this.#fire(eventType, context);
  }

  /** This site can't go on in this job: its task is aborted, and it leaves. */
  async systemPanic(reason: string, context: FLContext): Promise<void> {
    context.setProp(FLContextKey.EVENT_DATA, reason, { sticky: false });
    await this.fireEvent(EventType.FATAL_SYSTEM_ERROR, context);
  }

  /** FLARE's log_info and its fellows. `fireEvent`: components hear of it too. */
  async log(
    level: LogLevel,
    context: FLContext,
    text: string,
    { fireEvent = TOLD.has(level) }: { readonly fireEvent?: boolean } = {},
  ): Promise<void> {
    engineOf(context)?.say(level, this.name, text);
    if (!fireEvent) return;
    const data = new DXO('ANALYTIC', { key: level.toUpperCase(), value: text, type: 'TEXT' });
    const key = FLContextKey.EVENT_DATA;
    await this.fireEventWithData(LOG_EVENTS[level], context, key, data.toShareable());
  }

  async #fire(eventType: string, context: FLContext): Promise<void> {
    if (eventType === '') throw new TypeError('an event needs a type');
    context.setProp(FLContextKey.EVENT_ORIGIN, this.name, { sticky: false });
    const engine = engineOf(context);
    if (!engine) throw new Error('this context is of no run');
    await engine.fireEvent(eventType, context);
  }
}

const engineOf = (context: FLContext): Engine | undefined =>
  context.getProp(FLContextKey.ENGINE) as Engine | undefined;
