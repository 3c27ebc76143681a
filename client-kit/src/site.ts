import type { JobView } from '../../core/protocol/job-status.ts';
import { Connection } from './connection.ts';
import type { Fetch } from './connection.ts';
import type { OnEvent } from './event.ts';
import type { ExecutorKind } from './assignment.ts';
import { kitExecutors } from './executors/registry.ts';
import type { ExecutorParts } from './executors/registry.ts';
import { identify } from './identity.ts';
import type { IdentityOptions } from './identity.ts';
import { serveInbox } from './inbox.ts';
import type { Serving } from './inbox.ts';
import { Outbox } from './outbox.ts';
import { patient } from './patient-store.ts';
import { Polls } from './polls.ts';
import { ProblemError } from './problem-error.ts';
import type { Approve } from './policy/approval.ts';
import type { Policy } from './policy/policy.ts';
import type { OnSend } from './sending.ts';
import { secretOf } from './secret.ts';
import type { DataSource, SiteContext } from './site-context.ts';
import { deleteAll, jobPrefix } from './store.ts';
import type { MakeRun } from './run.ts';
import type { Store } from './store.ts';
import { Turnstile } from './turnstile.ts';

export interface SiteOptions extends IdentityOptions, ExecutorParts {
  /** Origin of the server, like `https://fl.example.org`. */
  readonly server: string;
  /** Where the site keeps its token, unsent results, its own models and cached blobs. One site at a time uses it: see `lock`. */
  readonly store: Store;
  /** The site's examples: what `onnx` trains on. */
  readonly data?: DataSource | undefined;
  /** More executors, or other ones, by the names that jobs use. */
  readonly executors?: Readonly<Record<string, ExecutorKind>> | undefined;
  /** What the owner of the data allows; see `sitePolicy`. */
  readonly policy?: Policy | undefined;
  /** Components that hear of each job's run: `components` of ./executor. */
  readonly components?: MakeRun | undefined;
  /**
   * Asked once a job, before the site joins it; the answer is kept while the job lasts. False: its tasks are answered with
   * UNSAFE_JOB.
   */
  readonly approve?: Approve | undefined;
  /** Keeps a record of each body before it leaves: `AuditLog` (./node). Where it rejects, the site stops. */
  readonly audit?: OnSend | undefined;
  readonly onEvent?: OnEvent | undefined;
  /** Stops the site. What it was doing is done again, with the same result, when it next runs. */
  readonly signal?: AbortSignal | undefined;
  readonly fetch?: Fetch | undefined;
  /** Jobs to serve; all of them if absent. */
  readonly wants?: Serving['wants'] | undefined;
  /** Serve one job and return when it ends. */
  readonly once?: boolean | undefined;
  /**
   * Polls that may wait at a time, of all jobs: beyond it they take turns. Without it each job's does. A browser has six
   * connections to a server over HTTP/1.1.
   */
  readonly waitingPolls?: number | undefined;
}

/**
 * A device: serves jobs until its signal aborts, and then resolves. Several jobs are served side by side; those that
 * train take turns. Rejects where it can't go on: not enrolled, name taken, token revoked (ProblemError), the store used by
 * another (Error) or broken (StorageError; one that is only full is waited for).
 */
export const runSite = async (options: SiteOptions): Promise<void> => {
  const { signal, once = false } = options;
  const onEvent = apart(options.onEvent);
  const stopping = new AbortController();
  const stop = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  const fail = (error: unknown): void => {
    if (!stop.aborted) stopping.abort(error);
  };
  let unlock: (() => Promise<void> | void) | undefined;
  let delivering: Promise<void> | undefined;
  try {
    unlock = await options.store.lock?.(stop);
    const store = patient(options.store, {
      signal: stop,
      onFull: (trouble) => onEvent({ type: 'storage-full', ...trouble }),
    });
    const anonymous = new Connection({
      server: options.server,
      fetch: options.fetch,
      onRetry: (retry) => onEvent({ type: 'retry', ...retry }),
      onSend: async (sending) => {
        await options.policy?.beforeSend?.(sending, store);
        await options.audit?.(sending).catch((error: unknown) => {
          fail(error);
          throw error;
        });
      },
    });
    const identity = await identify(anonymous, store, { ...options, signal: stop });
    onEvent({ type: 'joined', site: identity.site });
    let secret: Promise<Uint8Array> | undefined;
    const executors = { ...kitExecutors(options), ...options.executors };
    const site: SiteContext = {
      name: identity.site,
      connection: anonymous.withToken(identity.token),
      store,
      outbox: new Outbox(store, options.policy?.id),
      turnstile: new Turnstile(),
      polls: new Polls(options.waitingPolls),
      executors,
      makeRun: options.components ?? Object.values(executors).find(({ run }) => run)?.run,
      data: options.data,
      policy: options.policy,
      secret: () => (secret ??= secretOf(store)),
      approve: options.approve,
      onEvent,
    };
    await site.outbox.dropOthers();
    delivering = deliverOld(site, stop).catch(fail);
    await serveInbox(site, stop, { once, wants: options.wants ?? (() => true), fail });
  } catch (error) {
    if (stopping.signal.aborted) throw stopping.signal.reason;
    if (!signal?.aborted) throw error;
  } finally {
    stopping.abort(new Error('the site has stopped'));
    await delivering;
    await unlock?.();
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
