import { isFinished } from '../../core/protocol/job-status.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Task } from '../../core/protocol/task.ts';
import { WORKFLOWS } from '../../core/workflows/registry.ts';
import { Alarms } from '../state/alarms.ts';
import { Assignments } from '../tasks/assignments.ts';
import { boundStores } from '../blobs/blob-stores.ts';
import { ChunkRows } from '../bytes/chunk-rows.ts';
import { Conductor } from '../workflow/conductor.ts';
import type { Env } from '../env.ts';
import { EventLog } from '../state/event-log.ts';
import { FoldDesk } from '../tasks/fold-desk.ts';
import { Folding } from '../folding/folding.ts';
import type { JobRow } from '../state/job-record.ts';
import { JobRecord } from '../state/job-record.ts';
import { Journal } from '../workflow/journal.ts';
import { kernel } from '../folding/kernel.ts';
import { Lifecycle } from '../workflow/lifecycle.ts';
import { MetricLog } from '../state/metric-log.ts';
import { ModelArchive } from '../models/model-archive.ts';
import { ModelStore } from '../models/model-store.ts';
import type { MessageRow } from '../state/outbox.ts';
import { Outbox } from '../state/outbox.ts';
import { DataFilter } from '../filtering/data-filter.ts';
import { ResultFilter } from '../filtering/result-filter.ts';
import { Reception } from '../tasks/reception.ts';
import { Replies } from '../tasks/replies.ts';
import { ResultStore } from '../results/result-store.ts';
import { Retention } from '../workflow/retention.ts';
import { isJob } from './schema.ts';
import { Sites } from '../state/sites.ts';
import { TaskBoard } from '../tasks/task-board.ts';
import { directoryOf } from '../stubs.ts';
import type { JobChange } from '../stubs.ts';
import { TaskRows } from '../tasks/task-rows.ts';
import { wireTask } from '../tasks/task-view.ts';
import type { Trouble, Turn } from '../state/turn.ts';
import { Waiting } from './waiting.ts';
import { WorkflowResults } from '../workflow/workflow-results.ts';

/** Two objects' clocks may differ by this much: the directory says when the job was submitted. */
const CLOCK_SLACK_MS = 1000;

/** A job's stores, and the turn in which all of them change together. */
export class Engine {
  readonly env: Env;
  readonly storage: DurableObjectStorage;
  readonly waiting = new Waiting();
  readonly record: JobRecord;
  readonly alarms: Alarms;
  readonly events: EventLog;
  readonly metrics: MetricLog;
  readonly sites: Sites;
  readonly results: ResultStore;
  readonly models: ModelStore;
  readonly resultFilter: ResultFilter;
  readonly chunks: ChunkRows;
  readonly archive: ModelArchive;
  readonly tasks: TaskRows;
  readonly board: TaskBoard;
  readonly reception: Reception;
  readonly lifecycle: Lifecycle;
  readonly outbox: Outbox;
  readonly outcomes: WorkflowResults;
  readonly assignments: Assignments;
  readonly replies: Replies;
  /** Whether there is a job here: as the storage said when the object woke, and what create and erase have made of it. */
  exists: boolean;
  readonly #ctx: DurableObjectState;
  readonly #conductor: Conductor;
  readonly #folds: FoldDesk;
  readonly #filter: DataFilter;

  constructor(ctx: DurableObjectState, env: Env) {
    const { storage } = ctx;
    const { sql } = storage;
    const chunks = new ChunkRows(sql, LIMITS.jobBytes);
    this.chunks = chunks;
    const journal = new Journal(sql);
    this.#ctx = ctx;
    this.env = env;
    this.exists = isJob(sql);
    this.storage = storage;
    this.record = new JobRecord(sql);
    this.alarms = new Alarms(storage);
    this.events = new EventLog(sql);
    this.metrics = new MetricLog(sql);
    this.sites = new Sites(sql);
    this.models = new ModelStore(sql, chunks, kernel);
    const layoutOf = (digest: string) => this.models.layout(digest);
    this.results = new ResultStore({ sql, rows: chunks, kernel, layoutOf });
    this.tasks = new TaskRows(sql);
    this.outbox = new Outbox(sql);
    this.outcomes = new WorkflowResults(sql);
    this.assignments = new Assignments(sql);
    this.replies = new Replies(sql);
    const {
      record,
      events,
      models,
      results,
      sites,
      outbox,
      assignments,
      replies,
      tasks: rows,
    } = this;
    this.resultFilter = new ResultFilter({ record, results, models });
    const folding = new Folding({ sql, rows: chunks, results, models, kernel });
    this.#folds = new FoldDesk({
      storage,
      models,
      record,
      rows,
      replies,
      results,
      folding,
      events,
      alarms: this.alarms,
    });
    const folds = this.#folds;
    this.board = new TaskBoard({ record, rows, assignments, replies, sites, events, folds });
    this.reception = new Reception({ record, rows, assignments, replies, results, models, events });
    const { board } = this;
    const filter = new DataFilter({ sql, rows: chunks, models, record });
    this.#filter = filter;
    const retention = new Retention({ record, models, rows, filter });
    const { alarms } = this;
    const stores = boundStores(env);
    this.archive = new ModelArchive({ sql, record, models, alarms, stores });
    const { archive } = this;
    this.lifecycle = new Lifecycle({ record, events, outbox, board, retention, archive });
    this.#conductor = new Conductor({
      storage,
      record,
      journal,
      board,
      models,
      filter,
      sites,
      events,
      lifecycle: this.lifecycle,
      retention,
      results: this.outcomes,
      workflows: WORKFLOWS,
    });
  }

  /**
   * One turn: writes the input, closes what can close, advances the workflow, and answers: all in one transaction. After
   * commit it wakes those who wait and sends what is to be sent. Throws TypeError, and changes nothing, where `input` or
   * `answer` is asynchronous: its writes would escape the transaction.
   */
  turn<T>(now: number, input: (turn: Turn) => void, answer: (turn: Turn) => T): T {
    const turn: Turn = { now, waiting: this.waiting.sites(), woken: new Map() };
    const { before, after, value, mail } = this.storage.transactionSync(() => {
      const before = this.record.read();
      this.#mindTheClock(before, now);
      sync(input(turn));
      this.#settle(turn);
      const value = sync(answer(turn));
      const mail = this.outbox.take(now);
      this.alarms.arm(this.#nextDue(), now);
      return { before, after: this.record.read(), value, mail };
    });
    this.#wake(turn, before.version !== after.version, before.status !== after.status);
    if (mail.length > 0) this.#ctx.waitUntil(this.#deliver(after.id, mail));
    return value;
  }

  /**
   * Nobody is lost because nothing ran here, or because the clock jumped. It went back if something has already happened
   * at a later time, or if a lease ends later than any that could be given now.
   */
  #mindTheClock({ active }: JobRow, now: number): void {
    if (this.alarms.outage(now) > 0) return this.board.forgive(now);
    if (active <= now + CLOCK_SLACK_MS && !this.assignments.clockWentBack(now)) return;
    this.record.set({ active: now });
    this.board.clockWentBack(now);
    this.outbox.clockWentBack(now);
    this.archive.clockWentBack(now);
    this.alarms.clockWentBack(now);
  }

  /** Closes what can close and advances, until nothing moves any more. */
  #settle(turn: Turn): void {
    for (;;) {
      this.#start(turn.now);
      const job = this.record.read();
      if (isFinished(job.status) || job.cause === 'shortfall') break;
      const trouble = this.board.settle(turn);
      if (trouble) this.trouble(trouble, turn.now);
      if (trouble || !this.#conductor.advance(turn)) break;
    }
  }

  /** A job starts when minSites and all mandatory sites have joined. */
  #start(now: number): void {
    const { status, joined } = this.record.read();
    if (status !== 'APPROVED' && status !== 'DISPATCHED') return;
    if (joined === 0) return;
    this.lifecycle.become('DISPATCHED', now);
    const { minSites, mandatorySites } = this.record.spec();
    if (joined < minSites || !mandatorySites.every((site) => this.sites.isJoined(site))) return;
    this.lifecycle.become('RUNNING', now);
  }

  /** What the rows could not settle by themselves. */
  trouble({ kind, reason }: Trouble, now: number): void {
    if (kind === 'suspend') this.lifecycle.suspend(reason, 'shortfall', now);
    else this.lifecycle.finish('FINISHED:EXECUTION_EXCEPTION', reason, now);
  }

  /** A person has the suspended job go on. */
  resume(now: number): void {
    this.board.reopen(now);
    if (this.board.isDeserted()) this.#conductor.restart(now);
    this.lifecycle.become('RUNNING', now);
  }

  /** Folds one slice of the oldest task that is folding, unless the job waits for `resume`. */
  foldSlice(now: number): void {
    if (this.record.read().cause === 'shortfall') return;
    const [task] = this.tasks.in('folding');
    const trouble = task ? this.#folds.step(task, now) : null;
    if (trouble) this.trouble(trouble, now);
  }

  #nextDue(): number | null {
    const { cause, status } = this.record.read();
    const times = [
      cause === 'shortfall' ? null : this.tasks.nextDue(),
      status === 'RUNNING' && this.#filter.unfinished() ? 0 : null,
      this.outbox.nextDue(),
      this.models.nextDue(),
      this.archive.nextDue(),
      this.alarms.sweepDue(),
    ].filter((time) => time !== null);
    return times.length === 0 ? null : Math.min(...times);
  }

  #wake({ woken }: Turn, changed: boolean, turned: boolean): void {
    const wired = new Map<number, Task>();
    const tasks = new Map<string, Task>();
    for (const [site, n] of woken) {
      const task = wired.get(n) ?? wireTask(this.record.read().id, this.tasks.byNumber(n));
      wired.set(n, task);
      tasks.set(site, task);
    }
    if (tasks.size > 0) this.#ctx.waitUntil(this.waiting.give(tasks));
    if (turned) this.waiting.callAll();
    if (changed) this.waiting.tell();
  }

  async #deliver(job: string, mail: readonly MessageRow[]): Promise<void> {
    for (const message of mail) {
      try {
        await directoryOf(this.env).jobChanged(JSON.parse(message.body) as JobChange);
        if (this.exists) this.outbox.arrived(message);
      } catch (error) {
        console.warn(`job ${job}: news of its ${message.id} did not arrive`, error);
      }
    }
  }
}

/** The value, unless it is a promise in disguise. */
function sync<T>(value: T): T {
  if (typeof value === 'object' && value !== null && 'then' in value) {
    throw new TypeError('a turn is synchronous, its input returned a promise');
  }
  return value;
}
