import type { AnalyticsEntry } from '../../../core/protocol/analytics.ts';
import { pause } from '../backoff.ts';
import type { LogOptions } from '../analytics.ts';
import type { FLModel } from '../fl-model.ts';
import type { ReturnCode } from '../../../core/protocol/return-code.ts';
import type { FLModelHeader } from '../../../core/protocol/fl-model.ts';
import { AgentTask } from './agent-task.ts';
import { encodeMessage } from './message.ts';
import type { Head, Message } from './message.ts';
import type { AgentPipe } from './pipe.ts';
import { MAX_WAIT_S, PROTOCOL } from './protocol.ts';
import { headerOf } from './reply.ts';

export interface FlareAgentOptions {
  readonly pipe: AgentPipe;
  /** Seconds between heartbeats. */
  readonly heartbeatInterval?: number;
  /** The site is held to be gone after so many seconds of silence: see `peerGone`. */
  readonly heartbeatTimeout?: number;
  /** Seconds between tries while there is no answer. */
  readonly resendInterval?: number;
  /** Seconds for which a result is offered to a site that doesn't know its task: one that has just been restarted. */
  readonly submitResultTimeout?: number;
  /** Leave when the job ends (FLARE's agents live for a job), or stay for the next. */
  readonly once?: boolean;
  /** Leave, too, when the site is gone; without it the agent waits for the site to come back. */
  readonly leaveWhenGone?: boolean;
  /** Told why there was no answer, each time; the agent asks again. */
  readonly onTrouble?: (error: Error) => void;
  readonly now?: () => number;
}

/** The agent is over: its job has ended, another agent has taken its place, the site is gone, or `stop` was called. */
export class AgentClosed extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'AgentClosed';
  }
}

/** A call at the wrong time: FLARE's CallStateError. */
export class CallStateError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CallStateError';
  }
}

const GRACE_MS = 30_000;
const BYE_MS = 1000;
const LOG_WAITING = 10_000;

/**
 * FLARE's FlareAgent (2.8: nvflare/client/flare_agent.py): takes part in a site's jobs from outside the site.
 *
 *     const agent = new FlareAgent({ pipe });
 *     agent.start();
 *     for await (const task of agent.tasks()) await agent.submitResult(await train(task));
 */
export class FlareAgent {
  readonly #options: Required<FlareAgentOptions>;
  readonly #stopping = new AbortController();
  readonly #who: Head;
  #task: AgentTask | undefined;
  #heard: number;
  #log: Record<string, unknown>[] = [];
  #seq = 0;

  constructor(options: FlareAgentOptions) {
    this.#options = {
      heartbeatInterval: 5,
      heartbeatTimeout: 60,
      resendInterval: 1,
      submitResultTimeout: 300,
      once: true,
      leaveWhenGone: false,
      onTrouble: () => undefined,
      now: Date.now,
      ...options,
    };
    this.#heard = this.#options.now();
    this.#who = { protocol: PROTOCOL, session: crypto.randomUUID(), started: this.#heard };
  }

  /** Begins to count the site's silence. It may come later, or have been there before. */
  start(): void {
    this.#heard = this.#options.now();
  }

  /** No word from the site for `heartbeatTimeout`. */
  get peerGone(): boolean {
    return this.#options.now() - this.#heard > this.#options.heartbeatTimeout * 1000;
  }

  /**
   * The next task; undefined where none has come in `timeout` seconds. Rejects with AgentClosed, and with CallStateError
   * while a task is without a result.
   */
  async getTask(timeout = Infinity): Promise<AgentTask | undefined> {
    if (this.#task) throw new CallStateError(`'${this.#task.taskId}' has no result yet`);
    const { now, once } = this.#options;
    const end = now() + timeout * 1000;
    for (;;) {
      this.#check();
      const wait = Math.min(MAX_WAIT_S, this.#options.heartbeatTimeout / 3, (end - now()) / 1000);
      const answer = await this.#ask({ op: 'task', wait: Math.max(wait, 0) });
      const { status, reason } = answer?.head ?? {};
      if (answer && status === 'task') {
        const task = new AgentTask(answer);
        this.#task = task;
        void this.#beat(task);
        return task;
      }
      if (status === 'rejected' || (status === 'end' && once)) this.#close(String(reason));
      if (now() >= end) return undefined;
      if (!answer || status === 'error') await this.#rest();
    }
  }

  /** Tasks until the agent is over. */
  async *tasks(): AsyncGenerator<AgentTask, void, undefined> {
    for (;;) {
      try {
        const task = await this.getTask();
        if (task) yield task;
      } catch (error) {
        if (error instanceof AgentClosed) return;
        throw error;
      }
    }
  }

  /**
   * Answers the task, and resends until the site has acknowledged it. True if the site has it; false if it had given the
   * task up. Rejects with AgentClosed, with CallStateError without a task, and with TypeError or RangeError on a
   * result that isn't one: the task is still open then. A failure is `submitResult({}, 'EXECUTION_EXCEPTION')`.
   */
  async submitResult(model: FLModel, rc: ReturnCode = 'OK'): Promise<boolean> {
    const task = this.#task;
    if (!task) throw new CallStateError('no task: call getTask() first');
    const fl_model: FLModelHeader = { ...headerOf(model), return_code: rc };
    const held = { task: task.taskId, attempt: task.attempt };
    const head = { op: 'result', ...held, result: crypto.randomUUID(), fl_model };
    // Throws here, not where failure means "again".
    encodeMessage({ head, tensors: model.params });
    await this.#flush();
    const { now, submitResultTimeout } = this.#options;
    let unknownUntil: number | undefined;
    for (;;) {
      this.#check();
      let answer = await this.#ask(head, model.params);
      // A whole model again and again is much to send where nobody knows what it is for: ask first.
      while (answer?.head['status'] === 'unknown') {
        unknownUntil ??= now() + submitResultTimeout * 1000;
        if (now() >= unknownUntil) return this.#done(false);
        await this.#rest();
        this.#check();
        answer = await this.#ask({ op: 'beat', ...held, wait: 0 });
      }
      switch (answer?.head['status']) {
        case 'accepted':
        case 'duplicate':
        case 'done':
          return this.#done(true);
        case 'closed':
          return this.#done(false);
        case 'rejected':
          throw new TypeError(String(answer?.head['reason']));
        case 'open':
          continue;
        default:
          await this.#rest();
      }
    }
  }

  /** Adds a value to the job's metric log; it is sent at once, or with the next. */
  async log(
    key: string,
    value: AnalyticsEntry['value'],
    options: LogOptions = {},
  ): Promise<boolean> {
    // JSON has no NaN and no infinity.
    const said = typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
    this.#log.push({ seq: this.#seq++, key, value: said, ...options });
    if (this.#log.length > LOG_WAITING) this.#log.shift();
    return this.#flush();
  }

  /** Leaves. A task without a result is on offer again. */
  async stop(): Promise<void> {
    if (!this.#stopping.signal.aborted) await this.#ask({ op: 'bye' });
    this.#end('the agent was stopped');
    this.#options.pipe.close?.();
  }

  #done(accepted: boolean): boolean {
    this.#task?.finish();
    this.#task = undefined;
    return accepted;
  }

  #check(): void {
    if (this.#options.leaveWhenGone && this.peerGone) this.#close('the site is gone');
    const { signal } = this.#stopping;
    if (signal.aborted) throw signal.reason as AgentClosed;
  }

  #close(reason: string): never {
    this.#end(reason);
    throw this.#stopping.signal.reason as AgentClosed;
  }

  #end(reason: string): void {
    this.#stopping.abort(new AgentClosed(reason));
    this.#task?.abort(reason);
    this.#done(false);
  }

  async #flush(): Promise<boolean> {
    const task = this.#task;
    const entries = [...this.#log];
    if (!task || entries.length === 0) return entries.length === 0;
    const answer = await this.#ask({ op: 'log', task: task.taskId, entries });
    const status = answer?.head['status'];
    // What the site can't read now it won't read later.
    if (status !== 'accepted' && status !== 'rejected') return false;
    this.#log = this.#log.filter((entry) => !entries.includes(entry));
    return status === 'accepted';
  }

  /** Holds the task, hears of its end, and lets the site hear of ours. */
  async #beat(task: AgentTask): Promise<void> {
    const held = { op: 'beat', task: task.taskId, attempt: task.attempt };
    const { heartbeatInterval } = this.#options;
    while (!task.finished.aborted) {
      const wait = Math.min(heartbeatInterval, MAX_WAIT_S);
      const answer = await this.#ask({ ...held, wait }, undefined, task.finished);
      const status = answer?.head['status'];
      if (status === 'open') continue;
      if (status === 'closed') task.abort(String(answer?.head['reason']));
      await this.#rest(answer ? heartbeatInterval : undefined, task.finished);
    }
  }

  #rest(seconds = this.#options.resendInterval, over = this.#stopping.signal): Promise<void> {
    const signal = AbortSignal.any([over, this.#stopping.signal]);
    return pause(seconds * 1000, signal).catch(() => undefined);
  }

  /** The site's answer; undefined where there is none, and it is to be asked again. */
  async #ask(
    head: Head,
    tensors?: Message['tensors'],
    over = this.#stopping.signal,
  ): Promise<Message | undefined> {
    const wait = typeof head['wait'] === 'number' ? head['wait'] : 0;
    try {
      const answer = await this.#options.pipe.ask(
        { head: { ...this.#who, ...head }, tensors },
        {
          signal: AbortSignal.any([over, this.#stopping.signal]),
          patienceMS: head['op'] === 'bye' ? BYE_MS : wait * 1000 + GRACE_MS,
        },
      );
      this.#heard = this.#options.now();
      if (answer.head['status'] === 'superseded') this.#end('another agent has taken over');
      return answer;
    } catch (error) {
      if (!over.aborted) this.#options.onTrouble(error as Error);
      return undefined;
    }
  }
}
