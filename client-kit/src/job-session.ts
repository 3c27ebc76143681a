import type { FedEventBatch } from '../../core/protocol/fed-event.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { PollAnswer, Task } from '../../core/protocol/task.ts';
import { Analytics } from './analytics.ts';
import { pause } from './backoff.ts';
import { BlobCache, MODELS, PROGRAMS } from './download.ts';
import { infoOf } from './event.ts';
import type { Log } from './assignment.ts';
import type { Run, Voice } from './run.ts';
import { encodeFailure } from './fl-model.ts';
import { holdLease, TaskClosed } from './lease.ts';
import { StorageError } from './patient-store.ts';
import { refusalOf } from './policy/approval.ts';
import { ProblemError } from './problem-error.ts';
import type { SiteContext } from './site-context.ts';
import { deleteAll, jobPrefix, scoped } from './store.ts';
import { TaskError } from './task-error.ts';
import { TaskRunner } from './task-runner.ts';
import type { Answer } from './task-runner.ts';
import { orAborted } from './turnstile.ts';

/** How long to leave a server alone that offers a task which it has answered for. */
const ANSWERED_MS = 1000;
/** What the last metrics of a job may take. */
const FLUSH_MS = 5000;

/** One job on one site: polls, does what it is given, sends it, until the server says `end`. */
export class JobSession {
  readonly #site: SiteContext;
  readonly #job: string;
  readonly #path: string;
  readonly #analytics: Analytics;

  constructor(site: SiteContext, job: string) {
    this.#site = site;
    this.#job = job;
    this.#path = `/v1/jobs/${encodeURIComponent(job)}`;
    this.#analytics = new Analytics(site.connection, scoped(site.store, jobPrefix(job)), job);
  }

  /**
   * Serves the job to its end and gives the reason. Rejects with the signal's reason, or with ProblemError 401 where the
   * site is not known any more.
   */
  async run(signal: AbortSignal): Promise<string> {
    const { connection, store, name } = this.#site;
    const own = scoped(store, jobPrefix(this.#job));
    let runner: TaskRunner | undefined;
    let run: Run | undefined;
    try {
      const spec = await connection.json<JobSpec>('GET', `${this.#path}/spec`, { signal });
      const programs = new BlobCache(connection, own, PROGRAMS);
      const models = new BlobCache(connection, own, MODELS);
      const blob = async (digest: string): Promise<Uint8Array<ArrayBuffer>> =>
        (await programs.get({ digest, url: `${this.#path}/blobs/${digest}` }, signal)).bytes;
      const proposed = { id: this.#job, spec, site: name, server: connection.server.origin, blob };
      const refusal = await refusalOf(this.#site, proposed, own, signal);
      const log: Log = (key, value, options) => this.#analytics.log(key, value, options);
      const voice = this.#voice();
      run = this.#site.makeRun?.({ id: this.#job, spec, site: this.#site.name, ...voice });
      const job = { id: this.#job, spec, own, programs, models, log, run, voice, refusal };
      runner = new TaskRunner(this.#site, job);
      if (run) runner.prepare();
      await run?.fire('_about_to_start_run');
      await run?.fire('_start_run');
      const reason = await this.#loop(runner, run, signal);
      await this.#lastMetrics(signal);
      await deleteAll(store, jobPrefix(this.#job));
      return reason;
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status === 401) throw error;
      // Deleted, or not ours any more.
      if (error.status === 404 || error.status === 403)
        await deleteAll(store, jobPrefix(this.#job));
      return error.message;
    } finally {
      await run?.fire('_about_to_end_run');
      await run?.fire('_check_end_run_readiness');
      await run?.fire('_end_run');
      await runner?.dispose();
    }
  }

  #voice(): Voice {
    const { connection, onEvent } = this.#site;
    const path = `${this.#path}/fed-events`;
    return {
      say: (level, source, text) =>
        onEvent({ type: 'message', job: this.#job, level, source, text }),
      sendEvents: (events) => {
        const json: FedEventBatch = { events };
        return connection.json('POST', path, { json, attempts: 3 });
      },
    };
  }

  async #loop(runner: TaskRunner, run: Run | undefined, signal: AbortSignal): Promise<string> {
    const { connection, polls } = this.#site;
    const poll = (waitS: number): Promise<PollAnswer> =>
      connection.json('GET', `${this.#path}/task?wait=${waitS}`, { signal });
    for (;;) {
      if (run?.signal.aborted) return (run.signal.reason as Error).message;
      await run?.fire('_before_pull_task');
      const answer = await polls.pass(poll, signal);
      await run?.fire('_after_pull_task', answer.status === 'task' ? { task: answer.task } : {});
      if (answer.status === 'end') return answer.reason;
      if (answer.status === 'task') await this.#serve(runner, run, answer.task, signal);
      else await pause(answer.retryAfter * 1000, signal);
    }
  }

  /** Before the job's storage goes, and with it the metrics' numbers. */
  async #lastMetrics(signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const sent = this.#analytics.flush(AbortSignal.any([signal, late.signal]));
    await Promise.race([sent, pause(FLUSH_MS, signal)]).finally(() => late.abort());
  }

  /** A task whose result already waits in the outbox was done before a crash: it is only sent. */
  async #serve(
    runner: TaskRunner,
    run: Run | undefined,
    task: Task,
    signal: AbortSignal,
  ): Promise<void> {
    const { connection, outbox, onEvent } = this.#site;
    const about = { job: this.#job, task: infoOf(task) };
    const state = await outbox.state(this.#job, task.id);
    if (state === 'answered') return pause(ANSWERED_MS, signal);
    onEvent({ type: 'task', ...about });
    const over = new AbortController();
    const lease = holdLease(connection, task, over);
    try {
      if (state === 'none') {
        const done = await this.#do(runner, run, task, AbortSignal.any([signal, over.signal]));
        if (!done) return;
      }
      void this.#analytics.flush(signal);
      await run?.fire('_before_send_task_result');
      const delivery = await outbox.deliver(this.#job, task.id, connection, signal);
      await run?.fire('_after_send_task_result');
      onEvent({ type: 'submitted', ...about, taskId: task.id, ...delivery });
    } finally {
      lease.stop();
    }
  }

  /** Executes and puts the result, or the failure, into the outbox. False if the server gave the task up meanwhile. */
  async #do(
    runner: TaskRunner,
    run: Run | undefined,
    task: Task,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { outbox, onEvent } = this.#site;
    const about = { job: this.#job, task: infoOf(task) };
    try {
      const answer = await this.#answer(runner, run, task, signal);
      const put = outbox.put({ job: this.#job, task: task.id, url: task.resultUrl, ...answer });
      await orAborted(put, signal);
      return true;
    } catch (error) {
      if (!signal.aborted || !(signal.reason instanceof TaskClosed)) throw error;
      onEvent({ type: 'aborted', ...about, reason: signal.reason.message });
      return false;
    }
  }

  /** The result, or the failure. Rejects where there is nothing to say: with the signal's reason, 401, or StorageError. */
  async #answer(
    runner: TaskRunner,
    run: Run | undefined,
    task: Task,
    signal: AbortSignal,
  ): Promise<Answer> {
    try {
      const done = await runner.run(task, signal);
      signal.throwIfAborted();
      return done;
    } catch (cause) {
      signal.throwIfAborted();
      const error = cause instanceof Error ? cause : new Error(String(cause));
      if (error instanceof StorageError) throw error;
      if (error instanceof ProblemError && error.status === 401) throw error;
      const { returnCode, meta } = answerTo(error);
      const about = { job: this.#job, task: infoOf(task) };
      this.#site.onEvent({ type: 'failed', ...about, returnCode, error });
      return { result: encodeFailure(returnCode, meta, run?.said()) };
    }
  }
}

/** What the server learns of a failure: a stranger's error text may quote data, so it stays here. */
const answerTo = (
  error: Error,
): { returnCode: TaskError['returnCode']; meta: Record<string, unknown> } => {
  if (error instanceof TaskError) {
    const { returnCode, message: detail, errors } = error;
    return { returnCode, meta: { detail, ...(errors.length > 0 && { errors }) } };
  }
  if (error instanceof ProblemError) {
    return { returnCode: 'COMMUNICATION_ERROR', meta: { detail: error.message } };
  }
  return { returnCode: 'EXECUTION_EXCEPTION', meta: {} };
};
