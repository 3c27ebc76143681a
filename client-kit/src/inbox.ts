import type { Inbox } from '../../core/protocol/task.ts';
import { pause } from './backoff.ts';
import { JobSession } from './job-session.ts';
import type { SiteContext } from './site-context.ts';

/** A job as the inbox names it. */
export type JobNotice = Inbox['jobs'][number];

export interface Serving {
  /** Serve one job and return when it ends. */
  readonly once: boolean;
  readonly wants: (job: JobNotice) => boolean;
  /** Hears why a session could not go on; the others go on until the signal aborts. */
  readonly fail: (error: unknown) => void;
}

/** Looks at a job that ended here, and that the server's list still has, before it isn't expected to go soon. */
const LAGS = 10;
/** While every job in the inbox is served here, it can only tell of new ones: 15 to 60 s, apart from other sites. */
const restingMS = (): number => 15_000 + 45_000 * Math.random();

/**
 * Starts a session for each job that wants this site. Resolves with `once`; else rejects with the signal's reason.
 */
export const serveInbox = async (
  site: SiteContext,
  signal: AbortSignal,
  { once, wants, fail }: Serving,
): Promise<void> => {
  const { connection, onEvent } = site;
  const running = new Map<string, Promise<void>>();
  const ended = new Set<string>();
  let resting = new AbortController();
  const serve = async (job: JobNotice): Promise<void> => {
    onEvent({ type: 'job', job: job.id, name: job.name });
    const reason = await new JobSession(site, job.id).run(signal);
    running.delete(job.id);
    ended.add(job.id);
    onEvent({ type: 'job-ended', job: job.id, reason });
    // The next job may be waiting for this one's end.
    resting.abort();
  };
  try {
    for (let lags = 0; ;) {
      resting = new AbortController();
      const inbox = await connection.json<Inbox>('GET', '/v1/inbox', { signal });
      const jobs = inbox.jobs.filter(wants);
      for (const job of jobs) {
        if (running.has(job.id) || ended.has(job.id)) continue;
        running.set(job.id, serve(job).catch(fail));
        if (!once) continue;
        await Promise.all(running.values());
        return signal.throwIfAborted();
      }
      lags = jobs.some(({ id }) => ended.has(id)) ? lags + 1 : 0;
      const told = inbox.jobs.length === 0 || (lags > 0 && lags <= LAGS);
      await rest(told ? inbox.retryAfter * 1000 : restingMS(), signal, resting.signal);
    }
  } finally {
    await Promise.all(running.values());
  }
};

/** Waits, unless there is a reason not to. */
const rest = async (ms: number, signal: AbortSignal, reason: AbortSignal): Promise<void> => {
  try {
    await pause(ms, AbortSignal.any([signal, reason]));
  } catch (error) {
    if (signal.aborted || !reason.aborted) throw error;
  }
};
