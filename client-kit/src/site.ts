import type { Inbox } from '../../core/protocol/task.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import { pause } from './backoff.ts';
import { Connection } from './connection.ts';
import type { Fetch } from './connection.ts';
import type { OnEvent } from './event.ts';
import type { ExecutorKind } from './executor.ts';
import { kitExecutors } from './executors/registry.ts';
import type { ExecutorParts } from './executors/registry.ts';
import { identify } from './identity.ts';
import type { IdentityOptions } from './identity.ts';
import { JobSession, jobPrefix } from './job-session.ts';
import { Outbox } from './outbox.ts';
import { ProblemError } from './problem-error.ts';
import type { DataSource, Policy, SiteContext } from './site-context.ts';
import { deleteAll } from './store.ts';
import type { Store } from './store.ts';
import { Turnstile } from './turnstile.ts';

export interface SiteOptions extends IdentityOptions, ExecutorParts {
  /** Origin of the server, like `https://fl.example.org`. */
  readonly server: string;
  /** Where the site keeps its token, unsent results, its own models and cached blobs. One site at a time uses it. */
  readonly store: Store;
  /** The site's examples: what `onnx` trains on. */
  readonly data?: DataSource | undefined;
  /** More executors, or other ones, by the names that jobs use. */
  readonly executors?: Readonly<Record<string, ExecutorKind>> | undefined;
  readonly policy?: Policy | undefined;
  readonly onEvent?: OnEvent | undefined;
  /** Stops the site. What it was doing is done again, with the same result, when it next runs. */
  readonly signal?: AbortSignal | undefined;
  readonly fetch?: Fetch | undefined;
  /** Jobs to serve; all of them if absent. */
  readonly wants?: ((job: { readonly id: string; readonly name: string }) => boolean) | undefined;
  /** Serve one job and return when it ends. */
  readonly once?: boolean | undefined;
}

/**
 * A device: serves jobs until its signal aborts, and then resolves. Several jobs are served side by side; those that
 * train take turns. Rejects where it can't go on: not enrolled, name taken, token revoked (ProblemError).
 */
export const runSite = async (options: SiteOptions): Promise<void> => {
  const { store, signal, once = false } = options;
  const onEvent = apart(options.onEvent);
  const stopping = new AbortController();
  const stop = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  try {
    const anonymous = new Connection({
      server: options.server,
      fetch: options.fetch,
      onRetry: (retry) => onEvent({ type: 'retry', ...retry }),
    });
    const identity = await identify(anonymous, store, { ...options, signal: stop });
    onEvent({ type: 'joined', site: identity.site });
    const site: SiteContext = {
      name: identity.site,
      connection: anonymous.withToken(identity.token),
      store,
      outbox: new Outbox(store),
      turnstile: new Turnstile(),
      executors: { ...kitExecutors(options), ...options.executors },
      data: options.data,
      policy: options.policy,
      onEvent,
    };
    const fail = (error: unknown): void => {
      if (!stop.aborted) stopping.abort(error);
    };
    deliverOld(site, stop).catch(fail);
    await serveInbox(site, stop, { once, wants: options.wants ?? (() => true), fail });
  } catch (error) {
    if (stopping.signal.aborted) throw stopping.signal.reason;
    if (!signal?.aborted) throw error;
  } finally {
    stopping.abort(new Error('the site has stopped'));
  }
};

/** A listener's own failure is not the site's: it goes where uncaught errors go. */
const apart =
  (listener: OnEvent = () => undefined): OnEvent =>
  (event) => {
    try {
      listener(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };

interface Serving {
  readonly once: boolean;
  readonly wants: NonNullable<SiteOptions['wants']>;
  readonly fail: (error: unknown) => void;
}

/** Starts a session for each job that wants this site. */
const serveInbox = async (
  site: SiteContext,
  signal: AbortSignal,
  { once, wants, fail }: Serving,
): Promise<void> => {
  const { connection, onEvent } = site;
  const running = new Map<string, Promise<void>>();
  const ended = new Set<string>();
  const finished = new AbortController();
  const serve = async (job: { id: string; name: string }): Promise<void> => {
    onEvent({ type: 'job', job: job.id, name: job.name });
    const reason = await new JobSession(site, job.id).run(signal);
    running.delete(job.id);
    ended.add(job.id);
    onEvent({ type: 'job-ended', job: job.id, reason });
    if (once) finished.abort();
  };
  const until = AbortSignal.any([signal, finished.signal]);
  try {
    for (;;) {
      const inbox = await connection.json<Inbox>('GET', '/v1/inbox', { signal: until });
      for (const job of inbox.jobs) {
        // The directory's list may lag behind a job's end.
        if (running.has(job.id) || ended.has(job.id) || !wants(job)) continue;
        if (once && running.size > 0) break;
        running.set(job.id, serve(job).catch(fail));
      }
      await pause(inbox.retryAfter * 1000, until);
    }
  } catch (error) {
    if (!finished.signal.aborted) throw error;
  } finally {
    await Promise.all(running.values());
  }
};

/** What an earlier life of this site left: results to send, and storage of jobs that ended without it. */
const deliverOld = async (site: SiteContext, signal: AbortSignal): Promise<void> => {
  const { connection, outbox, store, onEvent } = site;
  await Promise.all(
    (await outbox.waiting()).map(async ({ job, task }) => {
      const delivery = await outbox.deliver(job, task, connection, signal);
      onEvent({ type: 'submitted', job, taskId: task, ...delivery });
    }),
  );
  const jobs = new Set((await store.list('jobs/')).map((key) => key.split('/')[1] ?? ''));
  for (const job of jobs) {
    const path = `/v1/jobs/${encodeURIComponent(job)}`;
    const status = await connection
      .json<JobView>('GET', path, { signal })
      .then((view) => view.status)
      .catch((error: unknown) => {
        if (error instanceof ProblemError && (error.status === 404 || error.status === 403))
          return null;
        throw error;
      });
    if (status === null || status.startsWith('FINISHED:')) await deleteAll(store, jobPrefix(job));
  }
};
