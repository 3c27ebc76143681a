import type { Caller, SiteCaller } from '../../core/protocol/caller.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { DIGEST_PATTERN } from '../../core/protocol/names.ts';
import { Body } from '../bytes/body.ts';
import type { Engine } from './engine.ts';
import { eventStream } from './event-stream.ts';
import { faultResponse } from '../http/fault-response.ts';
import type { Gate } from './gate.ts';
import { NO_JOB } from './gate.ts';
import type { Received } from '../results/result-store.ts';
import { isFull } from '../bytes/storage-fault.ts';
import { VOID_TOKEN, blobOf } from '../stubs.ts';
import { sentModel } from '../tasks/task-rows.ts';

/** The front door says here who calls; it lets nobody else set it. */
export const CALLER_HEADER = 'x-tributary-caller';

const notFound = (what: string): Response => faultResponse({ reason: 'not-found', what });
const forbidden = (detail: string): Response => faultResponse({ reason: 'forbidden', detail });

/** The routes of a job that carry streams: results, models, blobs, events. A refusal is a Fault in JSON. */
export class JobRequests {
  readonly #engine: Engine;
  readonly #gate: Gate;

  constructor(engine: Engine, gate: Gate) {
    this.#engine = engine;
    this.#gate = gate;
  }

  async answer(request: Request): Promise<Response> {
    const caller = JSON.parse(request.headers.get(CALLER_HEADER) ?? 'null') as Caller | null;
    if (!caller) return faultResponse({ reason: 'unauthorized', detail: 'No caller.' });
    const refusal = await this.#gate.refusal(caller);
    if (refusal) return this.#refuse(request, refusal, LIMITS.partBytes);
    const [, kind, name = '', sub] = new URL(request.url).pathname
      .split('/')
      .map(decodeURIComponent);
    try {
      if (kind === 'tasks' && sub === 'result') return await this.#result(request, caller, name);
      if (kind === 'models') return await this.#model(request, caller, name);
      if (kind === 'blobs') return await this.#blob(request, caller, name);
      if (kind === 'events') return this.#events(request, caller);
      return notFound('route');
    } catch (error) {
      // Deleted while the body was on its way.
      if (!this.#engine.exists) return faultResponse(NO_JOB);
      if (isFull(error))
        return faultResponse({ reason: 'storage-full', detail: "The job's storage is full." });
      throw error;
    }
  }

  /** Refuses, having read and dropped the body up to the limit, so that the caller sees the answer. */
  async #refuse(request: Request, fault: Fault, limit: number): Promise<Response> {
    await new Body(request.body).drain(limit);
    return faultResponse(fault);
  }

  async #result(request: Request, caller: Caller, task: string): Promise<Response> {
    if (caller.role !== 'site') return forbidden('Only a site hands in results.');
    const { reception, results, tasks, resultFilter } = this.#engine;
    const admission = reception.admit(caller.name, task);
    if (admission.kind === 'fault') return this.#refuse(request, admission.fault, LIMITS.partBytes);
    if (admission.kind === 'answer') {
      await new Body(request.body).drain(Math.max(reception.limit(task), LIMITS.partBytes));
      return Response.json({ status: admission.status });
    }
    const key = { task, site: caller.name, name: tasks.byId(task)?.request.name ?? '' };
    let received = await results.receive(request, key, admission.rule);
    if (received.ok && received.value.kind === 'staged') {
      received = await resultFilter.pass(key, admission.rule, received.value);
    }
    if (!received.ok) {
      if (received.error.reason === 'storage-full') this.#makeRoom(task);
      return faultResponse(received.error);
    }
    if (received.value.kind === 'partial') {
      return Response.json(
        { status: 'partial', received: received.value.received },
        { status: 202 },
      );
    }
    if (received.value.kind === 'over') return this.#over(caller, task);
    return this.#commit(caller, task, received.value);
  }

  /** The task closed, or another request of the site's answered it, while this one's body was on its way. */
  #over(caller: SiteCaller, task: string): Response {
    const now = this.#engine.reception.admit(caller.name, task);
    if (now.kind === 'answer') return Response.json({ status: now.status });
    if (now.kind === 'fault') return faultResponse(now.fault);
    return faultResponse({ reason: 'unavailable', detail: 'the upload was ended', retryAfter: 1 });
  }

  /**
   * Models that only a slow download may still need go before their time: the sender tries again. Where that is no use, a
   * person must know: the job is suspended.
   */
  #makeRoom(task: string): void {
    const { models, alarms, reception, chunks } = this.#engine;
    if (!this.#engine.exists) return;
    this.#engine.turn(
      Date.now(),
      ({ now }) => {
        models.sweep(Infinity);
        alarms.sweepAt(now);
        if (!reception.isStuck(task, (bytes) => chunks.mayFit(bytes))) return;
        const reason = `task ${task}: the results that it waits for don't fit in the job's storage`;
        this.#engine.trouble({ kind: 'suspend', reason }, now);
      },
      () => null,
    );
  }

  /** The turn that accepts a result, or tells why it loses; the acknowledgement follows it. */
  #commit(
    caller: SiteCaller,
    task: string,
    received: Extract<Received, { kind: 'staged' }>,
  ): Response {
    const { reception, results, sites, alarms } = this.#engine;
    if (!this.#engine.exists) return faultResponse(NO_JOB);
    let answer: ReturnType<typeof reception.commit> | null = null;
    const { upload } = received;
    this.#engine.turn(
      Date.now(),
      ({ now }) => {
        // The token may have become void while the body was on its way.
        if (sites.standing(caller) !== 'good') answer = { ok: false, error: VOID_TOKEN };
        else answer = reception.commit(caller.name, task, received, now);
        if (answer.ok && answer.value === 'accepted') return;
        if (upload !== null) results.drop(upload);
        alarms.sweepAt(now);
      },
      () => null,
    );
    const given = answer as ReturnType<typeof reception.commit> | null;
    if (given === null) throw new Error('a turn that gave no answer');
    return given.ok ? Response.json({ status: given.value }) : faultResponse(given.error);
  }

  async #model(request: Request, caller: Caller, name: string): Promise<Response> {
    const { models, archive } = this.#engine;
    if (DIGEST_PATTERN.test(name)) return this.#blob(request, caller, name);
    const shared = name === 'global' || name === 'best';
    if (caller.role === 'site' && !shared)
      return forbidden(`The model of ${name} is for the admin only.`);
    const model = models.byName(name);
    return model ? archive.serve(model.digest, request) : notFound(`model ${name}`);
  }

  async #blob(request: Request, caller: Caller, digest: string): Promise<Response> {
    const { models, archive, record, env } = this.#engine;
    const spec = record.spec();
    const programs = Object.values(spec.programs).map(({ blob }) => blob);
    if (caller.role === 'site' && !programs.includes(digest) && !this.#mayRead(caller, digest)) {
      return forbidden(`Neither the job nor a task of ${caller.name} names ${digest}.`);
    }
    if (models.ref(digest)) return archive.serve(digest, request);
    if (!programs.includes(digest)) return notFound(`blob ${digest}`);
    const headers = new Headers(request.headers);
    headers.delete(CALLER_HEADER);
    return blobOf(env, digest).fetch(
      new Request(`https://blob/${digest}`, { method: request.method, headers }),
    );
  }

  /** Models that a site may read: the job's own, and those of the open tasks it was given. */
  #mayRead({ name }: SiteCaller, digest: string): boolean {
    const { models, record, tasks, assignments } = this.#engine;
    const own = [
      models.byName('global')?.digest,
      models.byName('best')?.digest,
      record.spec().model,
    ];
    if (own.includes(digest)) return true;
    const given = (n: number): boolean => (assignments.get(n, name)?.lease ?? null) !== null;
    return tasks.in('open').some((task) => sentModel(task)?.digest === digest && given(task.n));
  }

  #events(request: Request, caller: Caller): Response {
    if (caller.role !== 'admin') return forbidden("A job's events are for the admin.");
    const last = request.headers.get('last-event-id') ?? '0';
    if (!/^\d{1,15}$/.test(last)) {
      return faultResponse({ reason: 'malformed', detail: 'Last-Event-ID is not a number' });
    }
    return eventStream(this.#engine, Number(last));
  }
}
