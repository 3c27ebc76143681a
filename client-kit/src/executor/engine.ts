import { EventType } from '../../../core/protocol/event-type.ts';
import type { FedEvents as Incoming } from '../../../core/protocol/fed-event.ts';
import { FLContextKey, FLContextManager } from '../../../core/protocol/fl-context.ts';
import type { FLContext } from '../../../core/protocol/fl-context.ts';
import { HeaderKey, Shareable } from '../../../core/protocol/shareable.ts';
import type { Content, Execution } from '../assignment.ts';
import type { EventHandler, LogLevel, MakeRun, Moment, Run, RunJob } from '../run.ts';
import { FLComponent } from './component.ts';
import { FedEvents, incoming } from './fed-events.ts';
import { executionOf, replyOf, taskShareable } from './task-shareable.ts';

/** The components of a job at this site, by their ids, made anew for each job. */
export type Components = Readonly<Record<string, unknown>>;

const DEPTH = '###event_depth';
/** FLARE's: an event that fires itself. */
const MAX_DEPTH = 20;
/** A new context is begun with each of these, as FLARE does. */
const OPENING: ReadonlySet<string> = new Set([
  EventType.ABOUT_TO_START_RUN,
  EventType.BEFORE_PULL_TASK,
  EventType.ABORT_TASK,
  EventType.ABOUT_TO_END_RUN,
]);
const RESETS = [
  FLContextKey.EVENT_ID,
  FLContextKey.EVENT_DATA,
  FLContextKey.EVENT_ORIGIN,
  FLContextKey.EVENT_SCOPE,
] as const;

/** A job's components, its contexts and its events: FLARE's ClientRunManager. */
export class Engine implements Run {
  readonly #job: RunJob;
  readonly #components: ReadonlyMap<string, unknown>;
  /** FLARE's order: executors, then components. */
  readonly #executors: EventHandler[] = [];
  readonly #listeners: readonly EventHandler[];
  readonly #manager: FLContextManager;
  readonly #fedEvents: FedEvents;
  readonly #panic = new AbortController();
  #context: FLContext;
  #cookies: Readonly<Record<string, unknown>> | undefined;
  #events = 0;

  constructor(job: RunJob, components: Components) {
    this.#job = job;
    this.#components = new Map(Object.entries(components));
    this.#listeners = [...this.#components.values()].filter((one) => one instanceof FLComponent);
    this.#fedEvents = new FedEvents(job);
    this.#manager = new FLContextManager({ engine: this, identity: job.site, job: job.id });
    this.#context = this.newContext();
    this.#context.setProp(FLContextKey.JOB_META, job.spec);
    this.#context.setProp(FLContextKey.RUN_ABORT_SIGNAL, this.signal);
  }

  get signal(): AbortSignal {
    return this.#panic.signal;
  }

  /** The context of what is being done now. */
  get context(): FLContext {
    return this.#context;
  }

  newContext(): FLContext {
    return this.#manager.newContext();
  }

  /** The component of this id; undefined where there is none. */
  getComponent(id: string): unknown {
    return this.#components.get(id);
  }

  say(level: LogLevel, source: string, text: string): void {
    this.#job.say(level, source, text);
  }

  add(handler: EventHandler): void {
    this.#executors.push(handler);
  }

  async fire(event: EventType, { task, params, execution }: Moment = {}): Promise<void> {
    // The task's own context stays: what is aborted may still end well.
    const context = OPENING.has(event) ? this.newContext() : this.#context;
    if (event !== EventType.ABORT_TASK) this.#context = context;
    if (event === EventType.BEFORE_PULL_TASK) this.#cookies = undefined;
    const set = (key: string, value: unknown): boolean =>
      context.setProp(key, value, { sticky: false });
    if (task && event === EventType.AFTER_PULL_TASK) {
      set(FLContextKey.TASK_NAME, task.name);
      set(FLContextKey.TASK_ID, task.id);
      set(FLContextKey.WORKFLOW, task.workflow);
      context.setPeerContext({
        [FLContextKey.IDENTITY_NAME]: 'server',
        [FLContextKey.CURRENT_JOB_ID]: task.job,
        ...task.peerProps,
      });
    }
    if (task && event !== EventType.AFTER_PULL_TASK) {
      const data = taskShareable(task, params);
      data.setPeerProps(context.getPeerContext()?.getAllPublicProps() ?? {});
      // What handlers have said in the headers before the filters, they have said.
      const before = context.getProp(FLContextKey.TASK_DATA);
      if (before instanceof Shareable) {
        for (const [key, value] of before.headers) data.setHeader(key, value);
      }
      set(FLContextKey.TASK_DATA, data);
      this.#cookies = data.getCookieJar();
    }
    if (execution) {
      set(FLContextKey.TASK_DATA, undefined);
      set(FLContextKey.TASK_RESULT, replyOf(execution));
    }
    set(FLContextKey.EVENT_SCOPE, 'local');
    set(FLContextKey.EVENT_ORIGIN, 'ClientRunner');
    await this.fireEvent(event, context);
    if (event === EventType.END_RUN) await this.#fedEvents.flush();
  }

  /** Each handler in turn. One that throws is noted under EXCEPTIONS, and the next hears of the event all the same. */
  async fireEvent(eventType: string, context: FLContext): Promise<void> {
    const depth = context.getProp(DEPTH, 0);
    if (depth > MAX_DEPTH) throw new Error(`events within events: more than ${MAX_DEPTH}`);
    const set = (key: string, value: unknown): boolean =>
      context.setProp(key, value, { sticky: false });
    set(DEPTH, depth + 1);
    set(FLContextKey.EVENT_ID, `${this.#events++}`);
    // A handler may fire events in the same context.
    const about = RESETS.map((key) => [key, context.getProp(key)] as const);
    for (const handler of [...this.#executors, ...this.#listeners]) {
      for (const [key, value] of about) set(key, value);
      try {
        await handle(handler, eventType, context);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        this.say('exception', handler.name, `handling ${eventType}: ${text}`);
        const noted = context.getProp<Record<string, unknown>>(FLContextKey.EXCEPTIONS, {});
        set(FLContextKey.EXCEPTIONS, { ...noted, [handler.name]: error });
      }
    }
    for (const [key, value] of about) set(key, value);
    if (eventType === EventType.FATAL_SYSTEM_ERROR) {
      const reason = context.getProp(FLContextKey.EVENT_DATA, 'no reason given');
      this.#panic.abort(new Error(`panic: ${reason}`));
    } else this.#fedEvents.post(eventType, context);
    set(DEPTH, depth);
  }

  /** Federated events that came for this site: its components hear them as if they had been fired here. */
  async hear({ events }: Pick<Incoming, 'events'>): Promise<void> {
    for (const event of events) {
      const context = this.newContext();
      context.setProp(FLContextKey.EVENT_DATA, incoming(event), { sticky: false });
      context.setProp(FLContextKey.EVENT_SCOPE, 'federation', { sticky: false });
      context.setProp(FLContextKey.EVENT_ORIGIN_SITE, event.origin ?? 'server', { sticky: false });
      await this.fireEvent(event.type, context);
    }
  }

  settled(execution: Execution): Execution {
    const reply = this.#context.getProp(FLContextKey.TASK_RESULT);
    if (!(reply instanceof Shareable) || (reply.size === 0 && !execution.shareable)) {
      return execution;
    }
    return { ...execution, ...executionOf(reply) };
  }

  said(): Content {
    const jar = this.#cookies;
    const peerProps = this.#context.getAllPublicProps();
    return { peerProps, ...(jar && { headers: { [HeaderKey.COOKIE_JAR]: jar } }) };
  }
}

const handle = async (handler: EventHandler, type: string, context: FLContext): Promise<void> => {
  const registered = handler instanceof FLComponent && handler.getEventHandlers().get(type);
  if (!registered) return handler.handleEvent(type, context);
  for (const each of registered) await each(type, context);
};

/** What a job's components are made from. */
export type MakeComponents = (job: Pick<RunJob, 'id' | 'spec' | 'site'>) => Components;

/** Components for `runSite({ components })`: made once a job, in the order in which they shall hear of events. */
export const components =
  (make: MakeComponents = () => ({})): MakeRun =>
  (job) =>
    new Engine(job, make(job));
