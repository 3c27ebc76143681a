import type { AnalyticsEntry, AnalyticsRecord } from '../../core/protocol/analytics.ts';
import type { Caller, SiteCaller } from '../../core/protocol/caller.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import { isFinished } from '../../core/protocol/job-status.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { LeaseAnswer, PollAnswer } from '../../core/protocol/task.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { Engine } from './engine.ts';
import type { Env } from '../env.ts';
import { Gate, NO_JOB } from './gate.ts';
import { JobRequests } from './job-requests.ts';
import { jobView } from './job-view.ts';
import { migrateJob } from './schema.ts';
import { release, stock } from './stock.ts';
import { isFull } from '../bytes/storage-fault.ts';
import { VOID_TOKEN } from '../stubs.ts';
import type { MetricsQuery, NewJob } from '../stubs.ts';
import { wireTask } from '../tasks/task-view.ts';
import type { Turn } from '../state/turn.ts';

/** Seconds after which a poll that was not held comes again. */
const SOON_S = 1;
/** An idle job asks its sites to come again after 15 to 60 s, each at its own time. */
const IDLE_S = { least: 15, spread: 45 };

const FULL: Fault = { reason: 'storage-full', detail: "The job's storage is full." };
const none = (): void => {};

/** A JobObject's behaviour: each call is a turn. */
export class Job {
  readonly #ctx: DurableObjectState;
  readonly #engine: Engine;
  readonly #gate: Gate;
  readonly #requests: JobRequests;
  #making: Promise<unknown> = Promise.resolve();

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx;
    this.#engine = new Engine(ctx, env);
    this.#gate = new Gate(this.#engine);
    this.#requests = new JobRequests(this.#engine, this.#gate);
  }

  /** Runs before anything else: what an interrupted life left behind. */
  async wake(): Promise<void> {
    const { storage, results, alarms, board } = this.#engine;
    if (!this.#engine.exists) return;
    storage.transactionSync(() => {
      migrateJob(storage.sql);
      results.clearDead();
      board.spare(Date.now());
    });
    await alarms.restore();
  }

  #turn<T>(input: (turn: Turn) => void, answer: (turn: Turn) => T): T {
    return this.#engine.turn(Date.now(), input, answer);
  }

  /** A turn whose full disk is an answer, not an accident. */
  #guarded<T>(
    input: (turn: Turn) => void,
    answer: (turn: Turn) => Result<T, Fault>,
  ): Result<T, Fault> {
    try {
      return this.#turn(input, answer);
    } catch (error) {
      if (isFull(error)) return err(FULL);
      throw error;
    }
  }

  /**
   * Makes the job, once: repeated, it goes on where it was left. `unavailable` where a repetition may do better; any other
   * fault is for good, and leaves nothing.
   */
  create(job: NewJob): Promise<Result<JobView, Fault>> {
    return this.#alone(() => this.#create(job));
  }

  /** Creation and deletion wait for one another. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#making.then(work);
    this.#making = done.catch(none);
    return done;
  }

  async #create(job: NewJob): Promise<Result<JobView, Fault>> {
    const { storage, record } = this.#engine;
    if (!this.#engine.exists) {
      storage.transactionSync(() => {
        migrateJob(storage.sql);
        record.create(job);
      });
      this.#engine.exists = true;
    }
    if (record.read().status === 'SUBMITTED') {
      const stocked = await stock(this.#engine, job);
      if (!stocked.ok) {
        if (stocked.error.reason !== 'unavailable') await this.#erase();
        return stocked;
      }
      this.#turn(({ now }) => {
        const { models, lifecycle } = this.#engine;
        // It may have been aborted meanwhile.
        if (record.read().status !== 'SUBMITTED') return;
        if (stocked.value) models.setName('global', stocked.value);
        lifecycle.become('APPROVED', now);
      }, none);
    }
    return ok(this.#turn(none, () => jobView(this.#engine)));
  }

  async view(caller: Caller, since?: number, waitS = 0): Promise<Result<JobView, Fault>> {
    const end = Date.now() + Math.min(waitS, LIMITS.waitS) * 1000;
    for (;;) {
      const refusal = await this.#gate.refusal(caller);
      if (refusal) return err(refusal);
      const left = end - Date.now();
      const { version } = this.#engine.record.read();
      if (since === undefined || version > since || left <= 0) {
        return ok(this.#turn(none, () => jobView(this.#engine)));
      }
      await this.#engine.waiting.news(left);
    }
  }

  async spec(caller: Caller): Promise<Result<JobSpec, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    return refusal ? err(refusal) : ok(this.#engine.record.spec());
  }

  async poll(caller: SiteCaller, waitS: number): Promise<Result<PollAnswer, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    if (refusal) return err(refusal);
    const at = this.#look(caller);
    if (!at.ok || at.value.status !== 'try-again') return at;
    const ms = Math.min(waitS, LIMITS.waitS) * 1000;
    if (ms <= 0 || this.#idle()) return at;
    const end = await this.#engine.waiting.poll(caller.name, ms);
    if (end === 'look') return this.#look(caller);
    return ok(
      typeof end === 'string'
        ? tryAgain(end === 'newer' ? SOON_S : 0)
        : { status: 'task', task: end },
    );
  }

  /** What a poll gets at this moment; the first one joins. */
  #look(caller: SiteCaller): Result<PollAnswer, Fault> {
    const { record, sites, board, events } = this.#engine;
    if (!this.#engine.exists) return err(NO_JOB);
    if (sites.standing(caller) !== 'good') return err(VOID_TOKEN);
    let full = false;
    return this.#guarded(
      ({ now }) => {
        if (isFinished(record.read().status)) return;
        const joined = sites.join(caller.name, now);
        full = joined === 'full';
        if (joined === true) events.append('log', { type: 'joined', site: caller.name }, now);
      },
      (turn) => {
        if (full) {
          return err({
            reason: 'conflict',
            detail: `The job has its ${LIMITS.sitesPerJob} sites.`,
          });
        }
        const { id, status, reason } = record.read();
        if (isFinished(status)) return ok({ status: 'end', reason: reason ?? status });
        const task = status === 'RUNNING' ? board.assign(caller.name, turn) : null;
        if (task) return ok({ status: 'task', task: wireTask(id, task) });
        return ok(tryAgain(this.#idle() ? idlePause(caller.name) : SOON_S));
      },
    );
  }

  /** Nothing has happened here for long: a held poll would be paid for, and in vain. */
  #idle(): boolean {
    return Date.now() - this.#engine.record.read().active > LIMITS.idlePollMS;
  }

  async lease(caller: SiteCaller, task: string): Promise<Result<LeaseAnswer, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    if (refusal) return err(refusal);
    return this.#guarded(none, ({ now }) => {
      const site = this.#engine.sites.get(caller.name);
      if (site) this.#engine.sites.seen(site, now);
      return this.#engine.reception.renew(caller.name, task, now);
    });
  }

  async analytics(
    caller: SiteCaller,
    entries: readonly AnalyticsEntry[],
  ): Promise<Result<{ accepted: number }, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    if (refusal) return err(refusal);
    const { metrics, events } = this.#engine;
    return this.#guarded(none, ({ now }) => {
      const fresh = metrics.append(caller.name, entries, now);
      for (const { key, value, step, time } of fresh) {
        events.append(
          'metric',
          { site: caller.name, key, value, step: step ?? null, at: time ?? now },
          now,
        );
      }
      if (fresh.length > 0) this.#engine.waiting.tell();
      return ok({ accepted: entries.length });
    });
  }

  async metrics(
    caller: Caller,
    query: MetricsQuery,
  ): Promise<Result<{ metrics: AnalyticsRecord[]; next: number | null }, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    return refusal ? err(refusal) : ok(this.#engine.metrics.page(query));
  }

  async abort(caller: Caller): Promise<Result<JobView, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    if (refusal) return err(refusal);
    return ok(
      this.#turn(
        ({ now }) => this.#engine.lifecycle.finish('FINISHED:ABORTED', 'aborted by the admin', now),
        () => jobView(this.#engine),
      ),
    );
  }

  async resume(caller: Caller): Promise<Result<JobView, Fault>> {
    const refusal = await this.#gate.refusal(caller);
    if (refusal) return err(refusal);
    const { status } = this.#engine.record.read();
    if (status !== 'SUSPENDED')
      return err({ reason: 'conflict', detail: `The job is ${status}, not SUSPENDED.` });
    return this.#guarded(
      ({ now }) => this.#engine.resume(now),
      () => ok(jobView(this.#engine)),
    );
  }

  /** Ends the job, lets its blobs go, and deletes everything. Repeat it until it succeeds. */
  destroy(): Promise<void> {
    return this.#alone(async () => {
      const { lifecycle } = this.#engine;
      if (!this.#engine.exists) return;
      this.#turn(({ now }) => lifecycle.finish('FINISHED:ABORTED', 'deleted', now), none);
      await this.#erase();
    });
  }

  async #erase(): Promise<void> {
    const { storage, record, archive, env, waiting } = this.#engine;
    const { id } = record.read();
    await archive.erase();
    await release(env, id, record.spec());
    await storage.deleteAlarm();
    // Nothing may find the job half deleted; where it stays, the next try must find it.
    this.#engine.exists = false;
    try {
      await storage.deleteAll();
    } catch (error) {
      this.#engine.exists = true;
      throw error;
    }
    waiting.callAll();
    waiting.tell();
  }

  /** Voids a site's tokens below `generation`: its waiting poll ends, its leases are free. What it answered stays. */
  async revoke(site: string, generation: number): Promise<void> {
    const { sites, board, events, waiting } = this.#engine;
    if (!this.#engine.exists) return;
    this.#turn(({ now }) => {
      if (!sites.revoke(site, generation, now)) return;
      board.revoke(site);
      events.append('log', { type: 'revoked', site }, now);
    }, none);
    waiting.call(site, 'look');
  }

  fetch(request: Request): Promise<Response> {
    return this.#requests.answer(request);
  }

  /** Does what is due. Never throws: a failed alarm rings again soon. */
  async alarm(): Promise<void> {
    const { alarms, results, models, archive } = this.#engine;
    if (!this.#engine.exists) return;
    try {
      const due = this.#turn(
        ({ now }) => {
          alarms.rang();
          this.#engine.foldSlice(now);
          models.sweep(now);
          alarms.sweepAt(results.sweep() ? now : null);
        },
        ({ now }) => archive.take(now),
      );
      const write = (what: (now: number) => void) => this.#turn(({ now }) => what(now), none);
      this.#ctx.waitUntil(archive.move(due, write));
    } catch (error) {
      console.error(`job ${this.#ctx.id.toString()}: its alarm failed`, error);
      await alarms.retry(Date.now());
    }
  }
}

const tryAgain = (retryAfter: number): PollAnswer => ({ status: 'try-again', retryAfter });

/** 15 to 60 s, the same for a site each time and spread over sites. */
const idlePause = (site: string): number => {
  let hash = 0;
  for (const char of site) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 9973;
  return IDLE_S.least + (hash % (IDLE_S.spread + 1));
};
