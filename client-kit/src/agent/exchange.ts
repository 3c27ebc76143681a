import { TaskClosed } from '../lease.ts';
import { TaskError } from '../task-error.ts';
import { Change } from './change.ts';
import { MessageError } from './message.ts';
import type { Message } from './message.ts';
import { dueOf } from './offer.ts';
import type { Offer, OpenOffer, Reply } from './offer.ts';
import { MAX_WAIT_S, readRequest } from './protocol.ts';
import type { Request, RequestOf, Status } from './protocol.ts';
import { readReply } from './reply.ts';

/** An agent's process, from its start to its end. */
interface Session {
  readonly id: string;
  readonly started: number;
  heard: number;
  /** Jobs that it has had tasks of. */
  readonly jobs: Set<string>;
  logged: number;
}

interface Settled {
  readonly accepted: boolean;
  readonly reason: string;
  readonly log?: Offer['log'];
}

/** Answered tasks that are remembered, to tell an agent that asks again. */
const REMEMBERED = 1000;
/** Without word for this long an agent is no obstacle to one that seems older: clocks may be set back. */
const FORGOTTEN_MS = 60_000;
/** Timers hold 31 bits. */
const LONGEST_MS = 2 ** 30;

const say = (status: Status, more: object = {}): Message => ({ head: { status, ...more } });

/**
 * A site's end of the conversation with its agent: tasks on offer, who works on what, and which results have come.
 * Invariants, each with a test of its name:
 * 1. a task is settled once: by its first result that is stored, or by its failure, whichever is first;
 * 2. an agent hears `accepted` only after the result is stored;
 * 3. only the latest session is heard, and a task that an older one held goes to it as the next attempt;
 * 4. a task that the agent holds and a restarted site offers again is not handed out again.
 */
export class Exchange {
  readonly #now: () => number;
  readonly #change: Change;
  /** In order of arrival. */
  readonly #open = new Map<string, OpenOffer>();
  readonly #settled = new Map<string, Settled>();
  readonly #ended = new Map<string, string>();
  #session: Session | undefined;
  #held: OpenOffer | undefined;
  #poll = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#change = new Change(now);
  }

  /**
   * Offers a task, and waits for its result. Rejects with TaskError where no agent comes, is gone, or says so, and with
   * the signal's reason.
   */
  offer(offer: Offer, signal: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const { task } = offer.head;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const forget = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        this.#open.delete(task);
        if (this.#held === open) this.#held = undefined;
        this.#change.happen();
      };
      const stop = (): void => {
        const { reason } = signal;
        // Any other reason is the site's own end: the task comes again, and what the agent makes of it is welcome then.
        if (reason instanceof TaskClosed)
          this.#remember(task, { accepted: false, reason: reason.message });
        forget();
        reject(reason as Error);
      };
      const settle = (reply: Reply | TaskError): void => {
        const failed = reply instanceof TaskError;
        const reason = failed ? reply.message : 'answered';
        this.#remember(task, { accepted: !failed, reason, log: offer.log });
        forget();
        if (failed) reject(reply);
        else resolve(reply);
      };
      const watch = (): void => {
        clearTimeout(timer);
        const due = dueOf(open, this.#session?.heard ?? 0);
        const left = due.at - this.#now();
        if (left <= 0 && !open.keeping) settle(new TaskError('EXECUTION_EXCEPTION', due.why));
        else timer = setTimeout(watch, Math.min(Math.max(left, 100), LONGEST_MS));
      };
      const open: OpenOffer = {
        offer,
        at: this.#now(),
        attempt: 0,
        taken: undefined,
        keeping: undefined,
        settle,
        watch,
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#open.set(task, open);
      watch();
      this.#change.happen();
    });
  }

  /** A task whose result an earlier life of this site has stored. */
  answered(task: string): void {
    this.#remember(task, { accepted: true, reason: 'answered' });
  }

  /** Tells the agent that a job has ended, if it had tasks of it. Resolves when it has heard, left, or after `lingerMS`. */
  async end(job: string, reason: string, lingerMS: number): Promise<void> {
    if (!this.#session?.jobs.has(job)) return;
    this.#ended.set(job, reason);
    this.#change.happen();
    const heard = (): true | undefined =>
      this.#session && this.#ended.has(job) ? undefined : true;
    await this.#change.until(heard, lingerMS);
    this.#ended.delete(job);
  }

  /** Answers a request of an agent. Never rejects. */
  async answer({ head, tensors }: Message): Promise<Message> {
    try {
      const request = readRequest(head);
      const session = this.#admit(request);
      if (!session) return say('superseded');
      const answer = await this.#do(request, session, tensors);
      return this.#session && this.#session !== session ? say('superseded') : answer;
    } catch (error) {
      if (error instanceof MessageError) return say('rejected', { reason: error.message });
      return say('error', { reason: 'the site could not take it now' });
    }
  }

  #do(request: Request, session: Session, tensors: Message['tensors']): Promise<Message> | Message {
    switch (request.op) {
      case 'task':
        return this.#give(request, session);
      case 'beat':
        return this.#beat(request, session);
      case 'result':
        return this.#take(request, tensors, session);
      case 'log':
        return this.#log(request, session);
      case 'bye':
        this.#release();
        return say('accepted');
    }
  }

  /** The caller's session, undefined if a later one has taken over. */
  #admit({ session: id, started }: Request): Session | undefined {
    const now = this.#now();
    const current = this.#session;
    if (current?.id === id) {
      current.heard = now;
      return current;
    }
    if (current && now - current.heard < FORGOTTEN_MS) {
      const later = started > current.started || (started === current.started && id > current.id);
      if (!later) return undefined;
    }
    this.#release();
    this.#session = { id, started, heard: now, jobs: new Set(), logged: -1 };
    return this.#session;
  }

  /** Nobody works on what the agent held: it is on offer again. */
  #release(): void {
    this.#session = undefined;
    this.#held = undefined;
    this.#change.happen();
  }

  async #give({ wait }: RequestOf<'task'>, session: Session): Promise<Message> {
    const poll = ++this.#poll;
    this.#change.happen();
    const answer = await this.#change.until(
      () => {
        // Over: another agent asks, or this one asks again because it never saw the answer to this.
        if (this.#session !== session || poll !== this.#poll) return say('none');
        return this.#next(session);
      },
      Math.min(wait, MAX_WAIT_S) * 1000,
    );
    return answer ?? say('none');
  }

  #next(session: Session): Message | undefined {
    const open = this.#held ?? [...this.#open.values()].find(({ keeping }) => !keeping);
    if (open && !open.keeping) {
      if (this.#held !== open) this.#hold(open, open.attempt + 1, session);
      const { head, params } = open.offer;
      return { head: { status: 'task', ...head, attempt: open.attempt }, tensors: params };
    }
    for (const [job, reason] of this.#ended) {
      if (!session.jobs.delete(job)) continue;
      this.#ended.delete(job);
      this.#change.happen();
      return say('end', { job, reason });
    }
    return undefined;
  }

  #hold(open: OpenOffer, attempt: number, session: Session): void {
    this.#held = open;
    open.attempt = Math.max(open.attempt, attempt);
    open.taken = this.#now();
    open.watch();
    session.jobs.add(open.offer.head.job);
  }

  async #beat({ task, attempt, wait }: RequestOf<'beat'>, session: Session): Promise<Message> {
    const open = this.#open.get(task);
    // What the agent says of itself is so: after a restart of the site it may hold what was never handed out here.
    if (open && this.#held !== open) this.#hold(open, attempt, session);
    const answer = await this.#change.until(() => {
      if (this.#session !== session) return say('superseded');
      return this.#open.has(task) ? undefined : this.#past(task);
    }, wait * 1000);
    return answer ?? say('open');
  }

  #past(task: string): Message {
    const settled = this.#settled.get(task);
    if (!settled) return say('unknown');
    return settled.accepted ? say('done') : say('closed', { reason: settled.reason });
  }

  async #take(
    request: RequestOf<'result'>,
    tensors: Message['tensors'],
    session: Session,
  ): Promise<Message> {
    const { task, attempt, fl_model } = request;
    const open = this.#open.get(task);
    if (!open) {
      const past = this.#past(task);
      return past.head['status'] === 'done' ? say('duplicate') : past;
    }
    if (open.keeping) {
      await open.keeping.catch(() => undefined);
      return this.#take(request, tensors, session);
    }
    const reply = readReply(fl_model, tensors);
    if (this.#held !== open) this.#hold(open, attempt, session);
    open.keeping = open.offer.keep(reply);
    try {
      await open.keeping;
    } finally {
      open.keeping = undefined;
    }
    // Aborted meanwhile.
    if (this.#open.get(task) !== open) return this.#past(task);
    open.settle(reply);
    return say('accepted');
  }

  #log({ task, entries }: RequestOf<'log'>, session: Session): Message {
    const log = this.#open.get(task)?.offer.log ?? this.#settled.get(task)?.log;
    if (!log) return say('unknown');
    for (const { seq, key, value, type, step } of entries) {
      if (seq <= session.logged) continue;
      session.logged = seq;
      log(key, value, { ...(type && { type }), ...(step !== undefined && { step }) });
    }
    return say('accepted');
  }

  #remember(task: string, settled: Settled): void {
    this.#settled.delete(task);
    this.#settled.set(task, settled);
    for (const oldest of this.#settled.keys()) {
      if (this.#settled.size <= REMEMBERED) break;
      this.#settled.delete(oldest);
    }
  }
}
