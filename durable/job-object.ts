// A job. Its part of the invariants (3, 4, 5 and 8 head workflow/conductor.ts); each has a test named after it:
//  1. Every input (join, reply, alarm, abort, fold slice) is one `turn`: write the input, close what can close, advance;
//     one transaction. Closing freezes the reply set and puts the task in state `folding`; it is `closed`, and its outcome
//     reaches the workflow, only in the transaction of its last slice. A slice is a fixed amount of input, never a time.
//     The first runs in the closing turn, the rest from the alarm. A reply during folding is `late`; an abort drops it.
//  2. Nothing that a turn decides by outlives it but rows. In memory are only requests under way (who waits, uploads and
//     their buffers, mail and copies on their way, a creation): their callers ask again; and what rows say at any time: the
//     spec, layouts, the state of a fold's hash.
//  6. Replies are keyed (task, site): a retry is `duplicate`, a late one `late`; nothing is counted twice.
//  7. Folding is in site order (byte order of names), not arrival order: the same replies give the same bytes.
//  9. `alarm()` never throws outward. One alarm, many deadlines; `setAlarm` is called inside the transaction, and the
//     constructor re-arms a missing one. `turn` rejects a closure that returns a thenable.
// 10. Between objects there is an outbox: a row written in the turn, delivered after commit, retried by the alarm,
//     idempotent by id. So do finished models go to the store that is bound for them (models/model-archive.ts). The
//     directory has one for what jobs are to do; a job holds its blobs while it is created, which the directory repeats
//     until it is done.
import { DurableObject } from 'cloudflare:workers';
import type { AnalyticsEntry } from '../core/protocol/analytics.ts';
import type { Caller, SiteCaller } from '../core/protocol/caller.ts';
import type { Env } from './env.ts';
import { Job } from './job/job.ts';
import type { JobStub, MetricsQuery, NewJob } from './stubs.ts';

/** One per job (idFromName(job id)): the RPC surface only. Refusals are values; see {@link JobStub}. */
export class JobObject extends DurableObject<Env> implements JobStub {
  // TypeScript's private methods can be called over RPC; a # field can't.
  readonly #job: Job;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#job = new Job(ctx, env);
    void ctx.blockConcurrencyWhile(() => this.#job.wake());
  }

  create(job: NewJob) {
    return this.#job.create(job);
  }
  view(caller: Caller, since?: number, waitS?: number) {
    return this.#job.view(caller, since, waitS);
  }
  spec(caller: Caller) {
    return this.#job.spec(caller);
  }
  poll(caller: SiteCaller, waitS: number) {
    return this.#job.poll(caller, waitS);
  }
  lease(caller: SiteCaller, task: string) {
    return this.#job.lease(caller, task);
  }
  analytics(caller: SiteCaller, entries: readonly AnalyticsEntry[]) {
    return this.#job.analytics(caller, entries);
  }
  metrics(caller: Caller, query: MetricsQuery) {
    return this.#job.metrics(caller, query);
  }
  abort(caller: Caller) {
    return this.#job.abort(caller);
  }
  resume(caller: Caller) {
    return this.#job.resume(caller);
  }
  destroy() {
    return this.#job.destroy();
  }
  revoke(site: string, generation: number) {
    return this.#job.revoke(site, generation);
  }
  override fetch(request: Request) {
    return this.#job.fetch(request);
  }
  override alarm() {
    return this.#job.alarm();
  }
}
